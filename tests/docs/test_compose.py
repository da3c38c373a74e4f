"""compose.yaml and Dockerfile fit the product and each other, as far as is seen without Docker."""

import re
from typing import Any

import psycopg
import pytest
import yaml
from psycopg.conninfo import make_conninfo

from ledger.postgres.migrate import migrate
from ledger.postgres.supervisor import EmbeddedPostgres
from ledger.settings import Settings
from tests.docs.pages import ROOT
from tests.support.servers import let_in, short_lived_home

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = sorted(SERVICES.keys() - {"postgres"})
DOCKERFILE = (ROOT / "Dockerfile").read_text()
EXAMPLE = (ROOT / ".env.example").read_text()
SETTINGS = {name.upper() for name in Settings.model_fields}
OF_THE_CONTAINER = {"DATABASE_URL", "LEDGER_HOME", "LEDGER_HOST", "LEDGER_PORT"}


@pytest.mark.parametrize("name", OURS)
def test_every_setting_reaches_every_container(name: str) -> None:
    """Through .env, and nothing but what the container decides stands in its way."""
    service = SERVICES[name]
    assert service["env_file"] == ".env"
    assert service["environment"].keys() == OF_THE_CONTAINER
    listed = set(re.findall(r"^([A-Z_]+)=", EXAMPLE, re.MULTILINE))
    assert listed >= SETTINGS
    assert OF_THE_CONTAINER <= SETTINGS


def test_what_compose_asks_for_stands_in_the_example() -> None:
    asked = set(re.findall(r"\$\{(\w+)", (ROOT / "compose.yaml").read_text()))
    assert asked == {"POSTGRES_PASSWORD", "LEDGER_PORT"}
    for name in asked:
        assert re.search(rf"^{name}=", EXAMPLE, re.MULTILINE)


def test_the_service_answers_on_this_machine_and_on_no_other() -> None:
    service = SERVICES["service"]
    (published,) = service["ports"]
    address, _, rest = published.partition(":")
    assert address == "127.0.0.1"
    assert rest.endswith(f":{service['environment']['LEDGER_PORT']}")
    assert service["environment"]["LEDGER_HOST"] == "0.0.0.0"  # noqa: S104 - in the container
    assert re.search(r"^EXPOSE 8420$", DOCKERFILE, re.MULTILINE)
    assert [name for name in SERVICES if "ports" in SERVICES[name]] == ["service"]


def test_the_first_token_is_kept_where_the_words_say() -> None:
    """In a volume, in the folder in which `docker compose exec service cat admin-token` looks."""
    service = SERVICES["service"]
    home = service["environment"]["LEDGER_HOME"]
    assert f"home:{home}" in service["volumes"]
    assert f"LEDGER_HOME={home}" in DOCKERFILE
    assert re.search(rf"^WORKDIR {home}$", DOCKERFILE, re.MULTILINE)
    assert f"--home-dir {home} --create-home" in DOCKERFILE, "the volume is the user's own"


def test_parquet_and_dask_are_in_the_image() -> None:
    assert "'.[parquet,dask]'" in DOCKERFILE
    assert re.search(r"^pyarrow==", (ROOT / "requirements.lock").read_text(), re.MULTILINE)


def test_what_is_named_is_there() -> None:
    named = [each for service in SERVICES.values() for each in service.get("volumes", ())]
    volumes = {each.partition(":")[0] for each in named}
    assert volumes == COMPOSE["volumes"].keys()
    configs = {c["source"] for service in SERVICES.values() for c in service.get("configs", ())}
    assert configs == COMPOSE["configs"].keys()
    for service in SERVICES.values():
        assert service.get("depends_on", {}).keys() <= SERVICES.keys()


def test_the_database_is_made_for_a_user_who_is_no_superuser() -> None:
    script = COMPOSE["configs"]["make-database"]["content"]
    made = re.sub(r"\$\{POSTGRES_PASSWORD[^}]*\}", "hunter2", script)
    assert "//ledger:" in SERVICES["service"]["environment"]["DATABASE_URL"]
    with short_lived_home() as home, EmbeddedPostgres(home) as server:
        with psycopg.connect(server.conninfo("postgres"), autocommit=True) as admin:
            for statement in filter(str.strip, made.split(";")):
                admin.execute(statement.encode())
        let_in(server, "ledger")
        address = make_conninfo(server.conninfo("ledger"), user="ledger")
        with psycopg.connect(address, autocommit=True) as conn:
            assert migrate(conn) != []
            found = conn.execute(
                "select rolsuper, rolcreaterole from pg_roles where rolname = current_user"
            ).fetchone()
    assert found == (False, True)
