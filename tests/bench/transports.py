"""The whole corpus over nine ways: recorded over each transport, replayed over each, by raw clients and by OpenAI's own.

    python tests/bench/transports.py --shared ../shared
    python tests/bench/transports.py --shared ../shared --recorded sse --asks http,ws --clients raw

Every client must end with what it ends with in front of the upstream itself; those that do not are printed.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from nine import CLIENTS, TERMINALS, Scenario, upstream
from replays import recording, replaying
from test_fold_corpus import events
from test_recording_corpus import exchanges

Json = dict[str, Any]

TRANSPORTS = ("http", "sse", "ws")


def scenarios(shared: Path) -> Iterator[tuple[str, Scenario]]:
    """All creates of the corpus, by id."""
    for exchange in exchanges(shared, "responses"):
        if exchange["method"] != "POST" or not exchange["url_path"].endswith("/responses"):
            continue
        if exchange["streaming"]:
            yield exchange["id"], Scenario(list(events(exchange)))
            continue
        told = json.loads(base64.b64decode(exchange["response_body_b64"]))
        if exchange["status"] >= 400:
            yield exchange["id"], Scenario(refusal=(exchange["status"], told["error"], {}))
        else:
            yield exchange["id"], Scenario.of(told)


async def run(arguments: argparse.Namespace) -> int:
    asks, recorded = arguments.asks.split(","), arguments.recorded.split(",")
    # On a socket nothing says that a response has been left to the background.
    ended_only = "ws" in (*asks, *recorded)
    known = {name: one for name, one in scenarios(arguments.shared) if not ended_only or one.refusal or one.events[-1]["type"] in TERMINALS}
    clients = [(way, name, client) for way in asks for name, client in CLIENTS[way].items() if arguments.clients in ("all", name)]
    different: Counter[tuple[str, str, str]] = Counter()
    with tempfile.TemporaryDirectory() as place:
        data = Path(place)
        async with contextlib.AsyncExitStack() as stack:
            url = await stack.enter_async_context(upstream(known))
            expected = {(way, name): await client(f"{url}/v1", known) for way, name, client in clients}
            proxy = await stack.enter_async_context(recording(data, url))
            for transport in recorded:
                await CLIENTS[transport]["raw"](f"http://127.0.0.1:{proxy.port}/@{transport}/v1", known)
        async with replaying(data, exhausted="last") as replay:
            for transport in recorded:
                for way, name, client in clients:
                    found = await client(f"http://127.0.0.1:{replay.port}/@{transport}/v1", known)
                    # A client that fails in front of the upstream itself may do better where its stream is another one.
                    wrong = [id_ for id_ in known if found[id_] != expected[way, name][id_] and "odd" not in expected[way, name][id_]]
                    different[transport, way, name] = len(wrong)
                    print(f"recorded {transport:4} replayed {way:4} {name:26} {len(known)} responses, {len(wrong)} different", flush=True)
                    for id_ in wrong[: arguments.shown]:
                        print(f"  {id_}\n    expected {json.dumps(expected[way, name][id_])[:400]}\n    found    {json.dumps(found[id_])[:400]}")
    return 1 if different.total() else 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--recorded", default=",".join(TRANSPORTS))
    parser.add_argument("--asks", default=",".join(TRANSPORTS))
    parser.add_argument("--clients", default="all", help="the name of one kind of client, such as raw")
    parser.add_argument("--shown", type=int, default=5, help="of those that differ")
    sys.exit(asyncio.run(run(parser.parse_args())))


if __name__ == "__main__":
    main()
