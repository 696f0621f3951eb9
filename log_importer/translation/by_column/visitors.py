"""The visitors of lines: addresses, user agents and the rest apart, where that can be, or all of it together."""

from array import array
from collections.abc import Sequence
from typing import Any, Protocol

from log_importer.native import Native, address, zeros
from log_importer.parsing.parser import Parser
from log_importer.translation.by_column.addresses import Addresses
from log_importer.translation.by_column.clients import Clients, Listed
from log_importer.translation.by_column.codes import ALONE
from log_importer.translation.by_column.facts import Agent, Beside, Facts, Visitor
from log_importer.translation.by_column.fields import ADDRESS, AGENT, BESIDE, VISITOR
from log_importer.translation.by_column.groups import Group, Groups, gathered
from log_importer.translation.by_column.texts import Text, Texts

Numbers = Sequence["array[int]"]
"""Of lines, by what they are of."""
Keys = tuple["array[int]", "array[int]", "array[int]"]
"""Of visitors, user agents and lanes."""


class Visitors(Protocol):
    """Numbers for the visitors of lines, and what there is by these."""

    @property
    def groups(self) -> "Sequence[Group[Any] | Clients]":
        """What can be forgotten."""

    def numbers(self, count: int, pieces: Numbers) -> Numbers:
        """Those of so many lines, whose pieces have those numbers."""

    def texts(self, numbers: Numbers) -> Sequence[Text]:
        """The parameters of each line, part by part."""

    def keys(self, numbers: Numbers) -> Keys:
        """Those of each line; asked for behind the texts."""

    def forget(self) -> None:
        """Lets go of what belongs to groups that are full."""


def visitors_of(native: Native, parser: Parser, facts: Facts, groups: Groups, addresses: Addresses | None) -> Visitors:
    """Apart where what is said of a visitor is said of either, as it mostly is; `addresses`: a piece that is one."""
    if not facts.apart:
        return Together(native, parser, facts, groups)
    clients = addresses or Listed(native, groups.pieces, parser.part(ADDRESS), facts)
    return Apart(native, parser, facts, groups, clients)


class Together:
    """Each pair of all that a visitor is known by is one value."""

    def __init__(self, native: Native, parser: Parser, facts: Facts, groups: Groups) -> None:
        self._native = native
        self._facts = facts
        self._visitors = groups.of_part(
            parser.part(VISITOR), facts.visitor, Visitor(ALONE), lambda visitor: visitor.code
        )  # fmt: skip
        self.groups: Sequence[Group[Any] | Clients] = (self._visitors,)
        self._texts = Texts(native)
        self._keys, self._agents, self._lanes = array("Q"), array("I"), array("H")

    def numbers(self, count: int, pieces: Numbers) -> Numbers:
        return [self._visitors.numbers(count, pieces)]

    def texts(self, numbers: Numbers) -> Sequence[Text]:
        values = self._visitors.values
        for column in (self._keys, self._agents, self._lanes):
            column.frombytes(bytes(column.itemsize * (len(values) - len(column))))
        for number in self._texts.lacking(numbers[0], len(values)):
            visitor = values[number]
            self._facts.complete(visitor)
            self._texts.put(number, visitor.parameters)
            self._keys[number], self._agents[number], self._lanes[number] = visitor.key, visitor.agent, visitor.lane
        return [self._texts.of(numbers[0])]

    def keys(self, numbers: Numbers) -> Keys:
        count = len(numbers[0])
        keys, agents, lanes = zeros("Q", count), zeros("I", count), zeros("H", count)
        self._native.take_64(count, address(numbers[0]), address(self._keys), address(keys))
        self._native.take(count, address(numbers[0]), address(self._agents), address(agents))
        self._native.take_16(count, address(numbers[0]), address(self._lanes), address(lanes))
        return keys, agents, lanes

    def forget(self) -> None:
        if self._visitors.full:
            self._texts.forget()
            del self._keys[:], self._agents[:], self._lanes[:]


class Apart:
    """Addresses, user agents and the rest have values of their own."""

    def __init__(self, native: Native, parser: Parser, facts: Facts, groups: Groups, clients: Clients) -> None:
        self._native = native
        self._facts = facts
        self._clients = clients
        self._besides = groups.of_part(parser.part(BESIDE), facts.beside, Beside(ALONE), lambda beside: beside.code)
        self._agents = groups.of_part(parser.part(AGENT), facts.agent, Agent(ALONE), lambda agent: agent.code)
        self.groups: Sequence[Group[Any] | Clients] = (self._clients, self._besides, self._agents)
        self._of_besides, self._of_agents = Texts(native), Texts(native)
        self._added = Texts(native)  # by rules, two for each user agent
        self._keys, self._lanes = array("Q"), array("H")  # of those who are known by more
        self._known = array("B")  # whether they are
        self._agent_keys, self._agent_lanes = array("I"), array("H")  # of user agents, of which each has several lanes

    def numbers(self, count: int, pieces: Numbers) -> Numbers:
        return [group.numbers(count, pieces) for group in self.groups]

    def texts(self, numbers: Numbers) -> Sequence[Text]:
        agents = self._agents.values
        for beside in self._besides.values[len(self._known) :]:
            key, lane = beside.keys or (0, 0)
            self._keys.append(key)
            self._lanes.append(lane)
            self._known.append(beside.keys is not None)
        for number in self._of_besides.lacking(numbers[1], len(self._besides.values)):
            self._of_besides.put(number, self._besides.values[number].parameters)
        for agent in agents[len(self._agent_keys) :]:
            key, lanes = self._facts.keys_of_agent(agent)
            self._agent_keys.append(key)
            self._agent_lanes.extend(lanes)
        for number in self._of_agents.lacking(numbers[2], len(agents)):
            self._of_agents.put(number, self._facts.of_agent(agents[number]))
        texts = [self._clients.texts(numbers[0]), self._of_besides.of(numbers[1]), self._of_agents.of(numbers[2])]
        return texts if self._facts.means.additions.of_agents is None else [*texts, self._additions(numbers)]

    def _additions(self, numbers: Numbers) -> Text:
        """What rules add for each line's user agent and kind of address."""
        agents, both = self._agents.values, zeros("i", len(numbers[0]))
        self._native.add_twice(
            len(both), address(numbers[2]), address(numbers[0]), address(self._clients.elsewhere), address(both)
        )  # fmt: skip
        for number in self._added.lacking(both, 2 * len(agents)):
            self._added.put(number, self._facts.added_to(agents[number // 2], elsewhere=number % 2 == 1))
        return self._added.of(both)

    def keys(self, numbers: Numbers) -> Keys:
        count = len(numbers[0])
        keys, agents, lanes = zeros("Q", count), zeros("I", count), zeros("H", count)
        self._native.key_visitors(
            count, *map(address, numbers), address(self._clients.keys), address(self._keys), address(self._lanes),
            address(self._known), address(self._agent_keys), address(self._agent_lanes), address(keys),
            address(agents), address(lanes),
        )  # fmt: skip
        return keys, agents, lanes

    def forget(self) -> None:
        if self._besides.full:
            self._of_besides.forget()
            del self._keys[:], self._lanes[:], self._known[:]
        if self._agents.full:
            self._of_agents.forget()
            self._added.forget()
            del self._agent_keys[:], self._agent_lanes[:]


def gathered_all(native: Native, numbers: Numbers, places: "array[int]") -> Numbers:
    """What stands at these places of each, but for those that are empty."""
    return [gathered(native, column, places) if column else column for column in numbers]
