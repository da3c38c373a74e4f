"""Explain, and what changed by each event of a history."""

from typing import Any

import pytest

from projections.queries import explain
from tests.projections.engine.counter import Counter


def whole(counter: Counter, order_id: str) -> dict[str, Any]:
    """An order as it is shown, with what hangs on it: all that events can make of it."""
    shown = counter.get(f"/orders/{order_id}")
    del shown["as_of_position"]
    return shown


def put(parts: list[dict[str, Any]], before: list[Any], after: list[Any]) -> list[dict[str, Any]]:
    """Rows of a part, after some were changed, made or taken away."""
    return [row for row in parts if row not in before] + [row for row in after if row]


def test_each_column_has_its_value_and_the_events_that_made_it_so(counter: Counter):
    order = counter.sell("refunded_in_parts")
    counter.shop.fulfil(order)
    last = counter.follow()
    explained = counter.get(f"/orders/{order.id}/explain", after=last)
    fields = explained["fields"]
    assert {name: field["value"] for name, field in fields.items()} == whole(counter, order.id)
    states = [(change["kind"], change["after"]) for change in fields["state"]["changes"]]
    assert [after for _, after in states] == ["pending", "paid", "fulfilled"]
    assert (states[0][0], states[2][0]) == ("order.placed", "order.fulfilled")
    amounts = [change["after"] for change in fields["refunded_minor"]["changes"]]
    assert amounts == sorted(amounts)
    assert (amounts[0], amounts[-1]) == (0, order.total_minor)
    assert fields["canceled_at"] == {"value": None, "changes": []}


def test_a_change_says_when_by_whom_and_out_of_which_stream(counter: Counter):
    order = counter.sell()
    counter.follow()
    (placed, *_) = counter.get(f"/orders/{order.id}/explain")["fields"]["state"]["changes"]
    (event,) = counter.engine.log.at([placed["position"]])
    assert placed == {
        "position": event.position,
        "kind": "order.placed",
        "effective_at": event.effective_at.isoformat().replace("+00:00", "Z"),
        "recorded_at": event.recorded_at.isoformat().replace("+00:00", "Z"),
        "source": f"order/{order.id}",
        "actor": event.meta.actor,
        "actor_name": None,
        "reason": None,
        "before": None,
        "after": "pending",
    }


def test_it_explains_the_past_too(counter: Counter):
    order = counter.sell()
    counter.follow()
    (placed, *_) = counter.get(f"/orders/{order.id}/history")["items"]
    then = counter.get(f"/orders/{order.id}/explain", as_of=placed["position"])
    assert then["fields"]["state"]["value"] == "pending"
    assert then["events"] == 1
    counter.get(f"/orders/{order.id}/explain", 404, as_of=placed["position"] - 1)


@pytest.mark.parametrize("path", ["/orders/none", "/payments/none", "/stock/none"])
def test_what_is_not_there_cannot_be_explained(counter: Counter, path: str):
    counter.follow()
    assert counter.get(f"{path}/explain", 404)["code"] == "not_found"


def test_too_many_events_are_not_explained_at_once(
    counter: Counter, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(explain, "EXPLAINED_EVENTS", 1)
    counter.follow()
    assert "2 events touch" in counter.get("/stock/MUG/explain", 422)["detail"]


@pytest.mark.parametrize("limit", [1, 5, 200])
def test_the_changes_of_a_history_add_up_to_the_row(counter: Counter, limit: int):
    order = counter.sell("much_trouble")
    counter.follow()
    row: dict[str, Any] = {}
    names = ("lines", "payments", "refund_requests", "made_of")
    parts: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    cursor: dict[str, str] = {}
    while True:
        path = f"/orders/{order.id}/history"
        page = counter.get(path, changes=True, limit=limit, **cursor)
        for line in page["items"]:
            for column, (before, after) in line["changed"].items():
                if column in parts:
                    parts[column] = put(parts[column], before, after)
                else:
                    assert row.get(column) == before
                    row[column] = after
        if not page["next"]:
            break
        cursor = {"cursor": page["next"]}
    now = whole(counter, order.id)
    assert parts == {name: now.pop(name) for name in parts}
    assert row == {name: value for name, value in now.items() if value is not None or name in row}


def test_a_return_changes_the_line_that_came_back(counter: Counter):
    order = counter.sell()
    counter.shop.fulfil(order)
    counter.shop.take_back(order)
    counter.follow()
    lines = counter.get(f"/orders/{order.id}")["lines"]
    history = counter.get(f"/orders/{order.id}/history", changes=True)["items"]
    (returned,) = [each for each in history if each["kind"] == "order.lines_returned"]
    (before,), (after,) = returned["changed"]["lines"]
    assert (before["returned"], after["returned"]) == (0, lines[-1]["quantity"])
    assert (before | {"returned": after["returned"]}, after) == (lines[-1], lines[-1])


def test_other_things_changed_too(counter: Counter):
    counter.follow()
    listed, received = counter.get("/stock/MUG/history", changes=True)["items"]
    assert listed["changed"]["name"] == [None, "Mug"]
    units = counter.get("/stock/MUG")["available"]
    moved = ("received", "on_hand", "available")
    assert received["changed"] == {column: [0, units] for column in moved}


def test_units_are_committed_by_the_payment_of_their_order(counter: Counter):
    """A payment is none of a product's events, and still made its row what it is."""
    order = counter.sell()
    sku, units = next(iter(order.units.items()))
    last = counter.follow()
    item = counter.get(f"/stock/{sku}")
    assert (item["committed"], item["reserved"]) == (units, 0)
    assert counter.get(f"/stock/{sku}", as_of=last) == item
    fields = counter.get(f"/stock/{sku}/explain")["fields"]
    (change,) = fields["committed"]["changes"][1:]
    assert change["kind"] == "charge.succeeded"
    placed = counter.get(f"/orders/{order.id}/history")["items"][0]["position"]
    then = counter.get(f"/stock/{sku}", as_of=placed + len(order.units))
    assert (then["committed"], then["reserved"]) == (0, units)
    counter.shop.fulfil(order)
    counter.follow()
    sent = counter.get(f"/stock/{sku}/history", changes=True)["items"][-1]["changed"]
    assert sent["committed"] == [units, 0]
    assert "reserved" not in sent
