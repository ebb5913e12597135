"""Work is proportional to the change, whatever the number of resources and peers."""

from __future__ import annotations

from kds.downward import Downward
from kds.offer import Offer
from kds.publisher import Publisher
from tests.unit.kds.lab import REGISTRY, Side
from ursa.model.resource import Resource


class Counted(Downward):
    """The rules of the way down, counting what they are asked."""

    asked = 0

    def offer(self, resource: Resource) -> Offer | None:
        self.asked += 1
        if resource.name == "broken":
            raise TypeError("a spec of a shape nobody expects")
        return super().offer(resource)


async def test_only_what_changed_is_encoded_and_told() -> None:
    side, rules = Side(), Counted(REGISTRY)
    publisher = Publisher(side.live, rules)
    told: list[dict[str, set[str]]] = []
    await side.open()
    await side.put(*(Resource("MeshTimeout", "m", f"t{n}") for n in range(50)))
    side.supervisor.start("publisher", publisher.run)
    await publisher.ready.wait()
    with publisher.listening(lambda touched: told.append({k: set(v) for k, v in touched.items()})):
        before = rules.asked
        await side.put(Resource("MeshTimeout", "m", "t7", {"to": []}))
        await side.until(lambda: told)
        assert rules.asked == before + 1
        assert [len(names) for names in told[0].values()] == [1]
        # What no peer sees is not told: the status of a service, an insight.
        await side.put(Resource("MeshInsight", "", "m"), Resource("Dataplane", "m", "d"))
        await side.until(lambda: publisher.catalogue.revision == side.live.current.revision)
        assert len(told) == 1
    await side.close()


async def test_what_cannot_be_sent_is_named_and_stops_nothing() -> None:
    side = Side()
    publisher = Publisher(side.live, Counted(REGISTRY))
    await side.open()
    await side.put(Resource("MeshTimeout", "m", "broken"), Resource("MeshTimeout", "m", "fine"))
    side.supervisor.start("publisher", publisher.run)
    await publisher.ready.wait()
    assert [key.name for key in publisher.unsendable] == ["broken"]
    assert len(publisher.catalogue.of("MeshTimeout")) == 1
    await side.delete("MeshTimeout", "m", "broken")
    await side.until(lambda: not publisher.unsendable)
    await side.close()
