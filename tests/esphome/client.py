"""Runs in ESPHome's environment: a client of the native API, told and telling one JSON object a line.

In: {"set": NAME, "value": ...} or {"press": NAME}. Out: {"entities": [...]}, {"state": NAME, "value": ...},
{"event": NAME, "data": {...}}, {"fired": NAME, "value": TYPE}.
"""

from __future__ import annotations

import asyncio
import json
import sys

import aioesphomeapi


def tell(**what: object) -> None:
    print(json.dumps(what), flush=True)


class Client:
    async def run(self, port: int) -> None:
        self._api = aioesphomeapi.APIClient("127.0.0.1", port, None)
        while not await self._connected():
            await asyncio.sleep(0.05)
        entities, _ = await self._api.list_entities_services()
        self._entities = {entity.name: entity for entity in entities}
        self._names = {entity.key: entity.name for entity in entities}
        tell(entities=sorted(self._entities))
        # States last: once they come, the device tells events too.
        self._api.subscribe_service_calls(lambda call: tell(event=call.service, data=dict(call.data)))
        self._api.subscribe_states(self._state)
        loop = asyncio.get_running_loop()
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            self._do(json.loads(line))
        await self._api.disconnect()

    async def _connected(self) -> bool:
        """False: the program does not listen yet."""
        try:
            await self._api.connect(login=True)
        except aioesphomeapi.APIConnectionError:
            return False
        return True

    def _state(self, state: aioesphomeapi.EntityState) -> None:
        name = self._names[state.key]
        if isinstance(state, aioesphomeapi.Event):
            tell(fired=name, value=state.event_type)
        else:
            tell(state=name, value=state.state)

    def _do(self, wish: dict) -> None:
        if "press" in wish:
            self._api.button_command(self._entities[wish["press"]].key)
            return
        entity = self._entities[wish["set"]]
        commands = {
            aioesphomeapi.NumberInfo: self._api.number_command,
            aioesphomeapi.SelectInfo: self._api.select_command,
            aioesphomeapi.SwitchInfo: self._api.switch_command,
        }
        commands[type(entity)](entity.key, wish["value"])


asyncio.run(Client().run(int(sys.argv[1])))
