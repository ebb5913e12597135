"""The sender's rules one by one (`spec/kds.md` §3.2)."""

from __future__ import annotations

import pytest

from kds.index import OfferIndex
from kds.offer import Catalogue, Everyone, Offer
from kds.sender import MARGIN, Sender, Speaker
from kds.wire import HEARTBEAT, Request, Response, decode_response, frame
from tests.unit.kds.lab import Stopped
from ursa.model.resource import ResourceKey

KIND = "MeshTimeout"
RESUMING = {"features": ["ursa-resume"]}


class Desk:
    """Offers of one kind and a sender that serves them."""

    def __init__(self, max_message: int = 10 << 20, chunk: int = 1 << 20) -> None:
        self.index = OfferIndex()
        self.clock = Stopped()
        speaker = Speaker("global", max_message, chunk=chunk)
        self.sender = Sender(self, lambda _: Everyone(), speaker, clock=self.clock)

    @property
    def catalogue(self) -> Catalogue:
        return Catalogue(7, self.index.kinds)

    def offer(self, name: str, version: str = "1", size: int = 10) -> None:
        key = ResourceKey(KIND, "m", name)
        self.index.put(Offer(key, f"{name}.m", version, frame(f"{name}.m", version, b"x" * size)))
        self.sender.touch(self.index.take_touched())

    def drop(self, name: str) -> None:
        self.index.drop(ResourceKey(KIND, "m", name))
        self.sender.touch(self.index.take_touched())

    def ask(self, *, kind: str = KIND, held: dict[str, str] | None = None, resuming: bool = False) -> None:
        metadata = RESUMING if resuming else {}
        self.sender.receive(Request(kind, "zone-1", wildcard=True, held=held or {}, metadata=metadata))

    def ack(self, nonce: str = "anything", error: str | None = None) -> None:
        self.sender.receive(Request(KIND, "zone-1", nonce=nonce, error=error))

    def sent(self) -> list[Response]:
        return [decode_response(message) for message in self.sender.take()]

    def names(self) -> list[list[str]]:
        return [[item.name for item in response.items] for response in self.sent()]


def test_first_requests_are_answered_even_with_nothing() -> None:
    desk = Desk()
    desk.ask()
    desk.ask(kind="NobodyKnowsThis")
    assert [(r.kind, r.items, r.removed) for r in desk.sent()] == [(KIND, (), ()), ("NobodyKnowsThis", (), ())]


def test_a_peer_that_wants_to_hear_of_differences_only_does() -> None:
    desk = Desk()
    desk.offer("a")
    desk.offer("b")
    metadata = {**RESUMING, "ursa.quiet": [KIND, "MeshRetry"]}
    held = {"a.m": "1", "b.m": "1"}
    desk.sender.receive(Request("Mesh", "zone-1", wildcard=True, metadata=metadata))
    desk.sender.receive(Request(KIND, "zone-1", wildcard=True, held=held))
    desk.sender.receive(Request("MeshRetry", "zone-1", wildcard=True))
    assert [r.kind for r in desk.sent()] == ["Mesh"], "the first answer shows that there is one"
    assert desk.sender.delivered(KIND) == 7 and not desk.sender.settled
    assert desk.sender.marks[KIND].acknowledged_revision == 7, "it has said that it has everything"
    desk.sender.receive(Request("Mesh", "zone-1", nonce="1"))
    assert desk.sender.settled
    # What differs later is sent as always, and so is what is asked for once more.
    desk.offer("b", "2")
    assert desk.names() == [["b.m"]]
    desk.ack()
    desk.sender.receive(Request("MeshRetry", "zone-1", wildcard=True))
    assert [(r.kind, r.items) for r in desk.sent()] == [("MeshRetry", ())]


def test_nothing_is_sent_before_it_is_asked_for() -> None:
    desk = Desk()
    desk.offer("a")
    assert desk.names() == []


def test_one_response_is_under_way_at_a_time_and_then_comes_the_newest() -> None:
    desk = Desk()
    desk.ask()
    assert len(desk.sent()) == 1
    desk.offer("a", "1")
    desk.offer("a", "2")
    desk.offer("b")
    desk.drop("b")
    assert desk.sent() == []
    desk.ack()
    (response,) = desk.sent()
    assert [(item.name, item.version) for item in response.items] == [("a.m", "2")]
    assert response.removed == ()


def test_nonces_are_counted_per_stream() -> None:
    desk = Desk()
    desk.ask()
    desk.ask(kind="Mesh")
    assert [r.nonce for r in desk.sent()] == ["1", "2"]


def test_removals_are_told_once() -> None:
    desk = Desk()
    desk.offer("a")
    desk.ask()
    desk.sent()
    desk.ack()
    desk.drop("a")
    assert [r.removed for r in desk.sent()] == [("a.m",)]
    desk.ack()
    assert desk.sent() == []


def test_what_is_held_is_not_sent_and_what_is_gone_is_removed() -> None:
    desk = Desk()
    desk.offer("same", "1")
    desk.offer("newer", "2")
    desk.ask(held={"same.m": "1", "newer.m": "1", "gone.m": "1"})
    (response,) = desk.sent()
    assert [item.name for item in response.items] == ["newer.m"]
    assert response.removed == ("gone.m",)


def test_a_refused_version_is_not_sent_again() -> None:
    desk = Desk()
    desk.offer("a", "1")
    desk.ask()
    desk.sent()
    desk.ack(error="spec.to: wrong")
    assert desk.sent() == []
    assert desk.sender.marks[KIND].rejected == 1
    assert desk.sender.marks[KIND].error == "spec.to: wrong"
    desk.offer("a", "2")
    assert desk.names() == [["a.m"]]


def test_watermarks_prove_what_was_answered() -> None:
    desk = Desk()
    desk.offer("a")
    desk.ask()
    assert desk.sender.delivered(KIND) == 0
    desk.sent()
    assert desk.sender.delivered(KIND) == 0
    desk.ack()
    assert desk.sender.delivered(KIND) == 7


@pytest.mark.parametrize("limits", [{"chunk": 1000}, {"max_message": MARGIN + 1000}])
def test_differences_are_split_by_bytes(limits: dict[str, int]) -> None:
    desk = Desk(**limits)
    for number in range(10):
        desk.offer(f"n{number}", size=300)
    desk.ask(resuming=True)
    seen = []
    while responses := desk.names():
        (names,) = responses
        assert len(names) <= 3
        seen += names
        desk.ack()
    assert sorted(seen) == [f"n{number}.m" for number in range(10)]


def test_a_full_state_is_not_split_for_peers_that_would_delete_the_rest() -> None:
    desk = Desk(chunk=1000)
    for number in range(10):
        desk.offer(f"n{number}", size=300)
    desk.ask()
    assert [len(names) for names in desk.names()] == [10]


def test_one_resource_too_large_for_a_message_does_not_stop_the_others() -> None:
    desk = Desk(max_message=MARGIN + 1000)
    desk.offer("huge", size=2000)
    desk.offer("small")
    desk.ask()
    assert desk.names() == [["small.m"]]
    assert desk.sender.marks[KIND].withheld == {"huge.m"}


def test_of_two_resources_with_one_name_the_other_waits() -> None:
    index = OfferIndex()
    first, second = (Offer(ResourceKey(KIND, "m", name), "same.m", name, b"") for name in ("a", "b"))
    index.put(first)
    index.put(second)
    assert index.kinds[KIND]["same.m"] is first
    assert index.collisions == {second.key: "same.m"}
    index.drop(first.key)
    assert index.kinds[KIND]["same.m"] is second
    assert index.collisions == {}
    index.drop(second.key)
    assert not index.kinds[KIND] and not index.keys


def refused_by(desk: Desk, *bad: str) -> list[list[str]]:
    """Lets a peer refuse whatever holds one of these names; returns what it was sent until there was no more."""
    seen: list[list[str]] = []
    while names := desk.names():
        seen += names
        desk.ack(error="no" if set(bad) & set(names[0]) else None)
    return seen


def test_of_a_refused_response_only_the_resource_to_blame_is_held_back() -> None:
    desk = Desk()
    for name in "abcde":
        desk.offer(name)
    desk.ask()
    sent = refused_by(desk, "d.m")
    assert sent[0] == [f"{name}.m" for name in "abcde"]
    assert ["d.m"] in sent
    assert desk.sender.marks[KIND].refused == {"d.m": "no"}
    assert desk.sender.delivered(KIND) == 7


def test_what_is_refused_is_sent_again_alone_and_ever_more_rarely() -> None:
    desk = Desk()
    desk.offer("a")
    desk.offer("b")
    desk.ask()
    refused_by(desk, "a.m")
    waits = []
    for _ in range(4):
        due = desk.sender.due
        assert due is not None
        waits.append(round((due - desk.clock.ns) / 1e9))
        desk.clock.ns = due - 1
        assert desk.names() == []
        desk.clock.ns = due
        assert refused_by(desk, "a.m") == [["a.m"]]
    assert waits == [5, 10, 20, 40]
    desk.clock.ns += 1000 * 10**9
    assert desk.names() == [["a.m"]]
    desk.ack()
    assert desk.sender.due is None and not desk.sender.marks[KIND].refused


def test_what_is_refused_is_sent_at_once_when_it_changes_and_never_when_it_is_gone() -> None:
    desk = Desk()
    desk.offer("a")
    desk.ask()
    refused_by(desk, "a.m")
    desk.offer("a", version="2")
    assert refused_by(desk, "a.m") == [["a.m"]]
    desk.drop("a")
    assert [r.removed for r in desk.sent()] == [("a.m",)]
    desk.ack()
    assert desk.sender.due is None and not desk.sender.marks[KIND].refused


def test_changes_wait_for_each_other_as_long_as_they_are_told_to() -> None:
    desk = Desk()
    desk.sender = Sender(desk, lambda _: Everyone(), Speaker("global", interval=5), clock=desk.clock)
    desk.offer("a")
    desk.ask()
    assert desk.names() == [["a.m"]], "the first state does not wait"
    desk.ack()
    desk.offer("b")
    assert desk.names() == []
    assert desk.sender.due == 1 + 5 * 10**9
    desk.clock.ns += 4 * 10**9
    desk.offer("c")
    assert desk.names() == []
    desk.clock.ns += 10**9
    assert desk.names() == [["b.m", "c.m"]]
    assert desk.sender.due is None, "nothing is due before there is an answer"
    desk.ack()
    assert (desk.names(), desk.sender.due) == ([], None)
    desk.ask(kind="Mesh")
    assert [response.kind for response in desk.sent()] == ["Mesh"], "who asks is answered at once"


def test_a_proof_of_life_is_given_whatever_else_waits() -> None:
    desk = Desk()
    desk.offer("a")
    desk.ask()
    assert desk.names() == [["a.m"]]
    desk.sender.receive(Request(HEARTBEAT, "zone-1", wildcard=True))
    (answer,) = desk.sent()
    assert (answer.kind, answer.items) == (HEARTBEAT, ())
    assert desk.sender.beaten
    desk.clock.ns += 3 * 10**9
    waiting = desk.sender.unanswered()
    assert waiting is not None and (waiting.kind, waiting.seconds) == (KIND, 3.0)


def test_responses_tell_which_state_they_complete() -> None:
    desk = Desk()
    speaker = Speaker("global", epoch=lambda: "store", chunk=3000)
    desk.sender = Sender(desk, lambda _: Everyone(), speaker, clock=Stopped())
    for name in "abc":
        desk.offer(name, size=2000)
    desk.ask(resuming=True)
    stamps = []
    while responses := desk.sent():
        stamps += [response.stamp for response in responses]
        desk.ack()
    # Only the last part completes revision 7.
    assert stamps == ["store@0", "store@0", "store@7"]


def test_a_peer_that_does_not_understand_an_offer_gets_the_other_form_of_it() -> None:
    class Plain(Everyone):
        def admits(self, offer: Offer, catalogue: Catalogue) -> bool:
            return not offer.features

    desk, key = Desk(), ResourceKey(KIND, "m", "a")
    desk.sender = Sender(desk, lambda _: Plain(), Speaker("global"), clock=Stopped())
    other = Offer(key, "a.m", "plain", frame("a.m", "plain", b""))
    desk.index.put(
        Offer(key, "a.m", "1", frame("a.m", "1", b""), features=frozenset({"new"}), otherwise=other),
    )
    desk.ask()
    assert [[item.version for item in response.items] for response in desk.sent()] == [["plain"]]
    desk.ack()
    desk.index.put(Offer(key, "a.m", "2", frame("a.m", "2", b""), features=frozenset({"new"})))
    desk.sender.touch(desk.index.take_touched())
    assert [response.removed for response in desk.sent()] == [("a.m",)]
