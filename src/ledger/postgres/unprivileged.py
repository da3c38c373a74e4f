"""Runs PostgreSQL's programs for root, as whom they refuse to run."""

import os
import pwd
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

_NOBODY = 65534
"""The only user of the namespace: we are mapped to it, and all others are shown as it."""
_NAMESPACE = ("unshare", "-U", f"--map-user={_NOBODY}", f"--map-group={_NOBODY}")


class Owner(NamedTuple):
    """A user and a group, by number."""

    user: int
    group: int


@dataclass(frozen=True)
class Identity:
    """As whom programs run: in a namespace that hides root, or as another user, or simply as us.

    Files then belong to `owner`; None means that their maker owns them.
    """

    namespace: tuple[str, ...] = ()
    switch: Owner | None = None
    owner: Owner | None = None

    def run(
        self, command: Sequence[str | Path], folder: Path, keep_open: Sequence[int] = ()
    ) -> subprocess.CompletedProcess[str]:
        """Run a program to its end in `folder`; it inherits the descriptors `keep_open`.

        Its environment is empty but for the search path: no setting of ours, no secret, no locale.
        """
        return subprocess.run(
            [*self.namespace, *map(str, command)],
            cwd=folder,
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
            pass_fds=keep_open,
            user=self.switch and self.switch.user,
            group=self.switch and self.switch.group,
            extra_groups=self.switch and (),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def take_over(self, folder: Path) -> None:
        """Give all of a folder to `owner`, itself last: whose it is says whether that is done.

        Everything is named by its open folder and no link is followed: what else changes names in
        there meanwhile cannot lead us elsewhere.
        """
        if self.owner is None or folder.lstat().st_uid == self.owner.user:
            return
        for _, folders, files, opened in os.fwalk(folder, topdown=False):
            for name in (*files, *folders):
                os.chown(name, *self.owner, dir_fd=opened, follow_symlinks=False)
        os.chown(folder, *self.owner, follow_symlinks=False)

    def seen_as(self) -> set[str]:
        """The names of users as whom the server may see us, and itself, at its socket."""
        us = _NOBODY if self.namespace else os.geteuid()
        users = {us, self.switch.user} if self.switch else {us}
        return {pwd.getpwuid(user).pw_name for user in users}


def identity_for(program: Path) -> Identity:
    """As whom `program` runs: us; for root a user namespace, or `nobody` where there is none."""
    if os.geteuid() != 0:
        return Identity()
    if _namespace_works(program):
        return Identity(namespace=_NAMESPACE, owner=Owner(0, 0))
    owner = _nobody()
    return Identity(switch=owner, owner=owner)


def possible_owners() -> set[int]:
    """Whose the server's files may be: ours, and for root those of `nobody`, as whom it may run."""
    us = os.geteuid()
    return {us} if us != 0 else {us, _nobody().user}


def _nobody() -> Owner:
    nobody = pwd.getpwnam("nobody")
    return Owner(nobody.pw_uid, nobody.pw_gid)


def _namespace_works(program: Path) -> bool:
    try:
        probe = Identity(namespace=_NAMESPACE).run([program, "--version"], Path("/"))
    except FileNotFoundError:
        return False
    return probe.returncode == 0
