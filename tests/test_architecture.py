"""The layout holds: who may import whom, what stays free of I/O, how big things get."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from graphlib import CycleError, TopologicalSorter
from importlib.metadata import packages_distributions
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("config", "storage", "proxy")
MAY_IMPORT = {"config": {"config"}, "storage": {"config", "storage"}, "proxy": {"config", "storage", "proxy"}}

# The faces are what people and programs touch; nothing else of ours knows them.
FACES = frozenset(f"proxy.{name}" for name in ["cli", "commands", "listing", "console", "embedded", "pytest_plugin", "simulator", "__main__"])
# Whatever is not named here is pure: it gets bytes, times and random values as arguments and returns values.
SHELLS = FACES | frozenset(
    f"{folder}.{name}"
    for folder, names in {
        "config": "loading setting_values settings",
        "proxy": "client_side forwarder headway http in_process inserted live_prices metrics player recorder replaying server service upstream websocket",
        "proxy.caching": "reading",
        "proxy.cassettes": "cassette_databases cassette_files cassette_recording",
        "proxy.chains": "recalling",
        "proxy.forwarding": "clients",
        "proxy.pricing": "budget_watch setting",
        "proxy.processes": "children forking hosting recorder_loop recorder_process settle worker",
        "proxy.recorders": "drained endings processors progress renewal rereading settled storing suspects tails traffic upkeep",
        "proxy.recordings": "rule_hits",
        "proxy.replay": "account anew at_once begun faulting misses playing",
        "proxy.sockets": (
            "backlog faulty_openings faulty_speech faulty_turns recorded_sockets recorded_transcripts socket_asking "
            "socket_goings socket_line socket_live socket_opening socket_transcript socket_turns upstream_socket"
        ),
        "proxy.tapes": "tape",
        "proxy.testing": "accepting begun cassettes collected fixture front servers",
        "storage": (
            "alone chains checks column_types completeness datadir engine journal migrations places queries rederiving "
            "rewriting rows schema stats store tables verify writing writing_values"
        ),
        "storage.carrying": "cassette_store exporting forking importing",
        "storage.connecting": "connection_reads rewriting_connections verify_connections writing_connections",
        "storage.costing": "cost_tables kept_sums ledger ledger_writing money outlays prompting rewriting_ledger spending spent_by_hour untold verify_sums",
        "storage.evidence": "chain_adopting chain_checks chain_rows chain_tables chain_writing head_file",
        "storage.removing": "deletion due pruning",
        "storage.replaying": "accepting divergences match_rules replay_tables replays served_faults",
    }.items()
    for name in names.split()
)
IMPURE = frozenset(
    (
        *("asyncio", "uvloop", "aiohttp", "socket", "ssl", "select", "selectors", "http", "urllib.request", "websockets"),
        *("sqlalchemy", "alembic", "sqlite3", "psycopg"),
        *("os", "pathlib", "tempfile", "shutil", "mmap", "fcntl", "signal"),
        *("time", "random", "secrets", "uuid", "threading", "multiprocessing", "subprocess", "concurrent"),
    )
)
SANS_IO = frozenset(f"websockets.{name}" for name in ["frames", "protocol", "extensions", "exceptions", "headers", "http11"])

FILE_LINES = 450
FUNCTION_LINES = 60
POSITIONAL_PARAMETERS = 5

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """A source file of the product or of its tests. `name`: dotted, without `playhead`."""

    path: Path
    name: str
    lines: int
    tree: ast.Module

    def __str__(self) -> str:
        return str(self.path.relative_to(ROOT))

    @property
    def folder(self) -> str:
        return self.name.partition(".")[0]

    @property
    def package(self) -> str:
        return self.name if self.path.name == "__init__.py" else self.name.rpartition(".")[0]

    @cached_property
    def nodes(self) -> Sequence[ast.AST]:
        return tuple(ast.walk(self.tree))

    @cached_property
    def imports(self) -> Sequence[tuple[ast.Import | ast.ImportFrom, str]]:
        """Every import, also those inside functions, with the dotted name it asks for; names out of a module one by one."""
        return tuple(self._imports())

    def _imports(self) -> Iterator[tuple[ast.Import | ast.ImportFrom, str]]:
        for node in self.nodes:
            if isinstance(node, ast.Import):
                yield from ((node, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                base = ".".join([*self._above(node.level), *filter(None, [node.module])])
                yield from ((node, f"{base}.{alias.name}") for alias in node.names)

    def _above(self, level: int) -> list[str]:
        if not level:
            return []
        parts = ["playhead", *self.package.split(".")]
        return parts[: len(parts) - (level - 1)]

    def functions(self) -> Iterator[Function]:
        return (node for node in self.nodes if isinstance(node, Function))


def read(path: Path) -> Module:
    text = path.read_text(encoding="utf-8")
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    return Module(path, name, text.count("\n"), ast.parse(text, str(path)))


@pytest.fixture(scope="module", autouse=True)
def forgotten() -> Iterator[None]:
    """A million nodes are looked at by every garbage collection of the tests that follow."""
    yield
    product.cache_clear()
    everything.cache_clear()


@cache
def product() -> dict[str, Module]:
    """All modules of the product, by name."""
    paths = chain.from_iterable((ROOT / folder).rglob("*.py") for folder in FOLDERS)
    return {module.name: module for module in map(read, sorted(paths))}


@cache
def everything() -> tuple[Module, ...]:
    """The product and its tests."""
    return (*product().values(), *map(read, sorted((ROOT / "tests").rglob("*.py"))))


def within(name: str, names: Collection[str]) -> bool:
    """Whether this is one of those modules, or inside one of them."""
    return any(name == each or name.startswith(each + ".") for each in names)


def ours(name: str) -> str | None:
    """The module of the product that an import asks for: `playhead.storage.store.Store` is `storage.store`."""
    parts = name.split(".")[1:] if name.startswith("playhead.") else []
    found = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((candidate for candidate in found if candidate in product()), None)


def pure() -> list[Module]:
    return [module for module in product().values() if not within(module.name, SHELLS)]


def assert_none(wrong: Iterable[str], advice: str = "") -> None:
    """Fail with every finding on a line of its own."""
    if findings := list(wrong):
        pytest.fail("\n".join([advice, *findings]), pytrace=False)


def positional(function: Function) -> int:
    """The parameters that a caller may give by place, less `self` and `cls`."""
    names = [argument.arg for argument in (*function.args.posonlyargs, *function.args.args)]
    return len([name for name in names if name not in ("self", "cls")])


def test_the_product_is_found() -> None:
    assert {module.folder for module in product().values()} == set(FOLDERS)


def test_no_import_names_a_folder_literally() -> None:
    # A top-level `config` is the user's own: only `playhead.config` is ours.
    wrong = [f"{module}:{node.lineno} {name}" for module in everything() for node, name in module.imports if name.partition(".")[0] in FOLDERS]

    assert_none(wrong)


def test_siblings_are_imported_relatively_and_other_folders_absolutely() -> None:
    # The other way round, type checkers see every class twice: as proxy.exchange and as playhead.proxy.exchange.
    wrong = [
        f"{module}:{node.lineno} {name}"
        for module in product().values()
        for node, name in module.imports
        if name.startswith("playhead.") and (name.split(".")[1] == module.folder) != bool(isinstance(node, ast.ImportFrom) and node.level)
    ]

    assert_none(wrong)


def test_folders_import_only_what_is_below_them() -> None:
    wrong = [
        f"{module}:{node.lineno} {name}"
        for module in product().values()
        for node, name in module.imports
        if name.startswith("playhead.") and name.split(".")[1] not in MAY_IMPORT[module.folder]
    ]

    assert_none(wrong)


def test_wire_models_know_only_themselves() -> None:
    models = ["proxy.models"]
    wrong = [
        f"{module}:{node.lineno} {name}"
        for module in product().values()
        for node, name in module.imports
        if within(module.name, models) and (target := ours(name)) and not within(target, models)
    ]

    assert_none(wrong)


def test_pure_modules_do_no_io_and_read_no_clock() -> None:
    wrong = [f"{module}:{node.lineno} {name}" for module in pure() for node, name in module.imports if within(name, IMPURE) and not within(name, SANS_IO)]

    assert_none(wrong, "pure modules import this; a module that has to is a shell: name it in SHELLS")


def test_pure_modules_never_ask_for_the_date() -> None:
    wrong = [
        f"{module}:{node.lineno} {node.func.attr}"
        for module in pure()
        for node in module.nodes
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("now", "utcnow", "today", "urandom")
    ]

    assert_none(wrong)


def test_pure_modules_know_no_shell() -> None:
    names = {module.name for module in pure()}
    wrong = [
        f"{module}:{node.lineno} {name}"
        for module in pure()
        for node, name in module.imports
        if (target := ours(name)) and target not in names and module.path.name != "__init__.py"
    ]

    assert_none(wrong)


def test_faces_are_known_only_by_faces() -> None:
    # proxy/__init__.py may name them: it is the public door and imports nothing before it is asked.
    wrong = [
        f"{module}:{node.lineno} {name}"
        for module in product().values()
        for node, name in module.imports
        if (target := ours(name)) and within(target, FACES) and not within(module.name, FACES) and module.name != "proxy"
    ]

    assert_none(wrong)


def test_no_import_cycles() -> None:
    graph = {module.name: {target for _, name in module.imports if (target := ours(name)) and target != module.name} for module in product().values()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]), pytrace=False)


def test_files_stay_readable() -> None:
    assert_none([f"{module} {module.lines}" for module in everything() if module.lines > FILE_LINES])


def test_functions_stay_readable() -> None:
    sizes = [(module, function, (function.end_lineno or 0) - function.lineno + 1) for module in everything() for function in module.functions()]

    assert_none([f"{module}:{function.lineno} {function.name} {size}" for module, function, size in sizes if size > FUNCTION_LINES])


def test_functions_take_few_positional_parameters() -> None:
    wrong = [
        f"{module}:{function.lineno} {function.name}"
        for module in product().values()
        for function in module.functions()
        if positional(function) > POSITIONAL_PARAMETERS
    ]

    assert_none(wrong)


MUTABLE_CALLS = frozenset(
    (
        "list",
        "dict",
        "set",
        "bytearray",
        "defaultdict",
        "deque",
        "OrderedDict",
        "Counter",
        "WeakKeyDictionary",
        "WeakValueDictionary",
    )
)
MUTABLE_DISPLAYS = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)
READ_ONLY_TYPES = re.compile(r"\b(Mapping|Sequence|AbstractSet|Iterable|Collection)\[")


def mutable(value: ast.expr | None) -> bool:
    """Whether this expression makes something that can change."""
    if isinstance(value, ast.Call):
        name = value.func.attr if isinstance(value.func, ast.Attribute) else getattr(value.func, "id", "")
        return name in MUTABLE_CALLS
    return isinstance(value, MUTABLE_DISPLAYS)


def module_state(module: Module) -> Iterator[str]:
    """The names bound at module level to what can change, unless the type checker forbids changing it (`TABLE: Mapping[...] = {...}`)."""
    for node in module.tree.body:
        if isinstance(node, ast.Assign) and mutable(node.value):
            yield from (f"{module}:{node.lineno} {name}" for name in map(ast.unparse, node.targets) if not name.startswith("__"))
        elif isinstance(node, ast.AnnAssign) and mutable(node.value) and not READ_ONLY_TYPES.search(ast.unparse(node.annotation)):
            yield f"{module}:{node.lineno} {ast.unparse(node.target)}"
    yield from (f"{module}:{node.lineno} global" for node in module.nodes if isinstance(node, ast.Global))


def test_no_module_holds_state() -> None:
    wrong = chain.from_iterable(map(module_state, product().values()))

    assert_none(wrong, "freeze it (tuple, frozenset, MappingProxyType), or annotate it as Mapping or Sequence")


@cache
def tracked() -> tuple[Path, ...]:
    """The files that git holds or would add. Skips where this is no git checkout."""
    listing = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listing.returncode:
        pytest.skip("not a git checkout: what is tracked cannot be told")
    paths = [ROOT / name for name in listing.stdout.decode().split("\0") if name]
    return tuple(path for path in paths if path.is_file() and not path.is_symlink())


# In brackets, so that the pattern does not find itself.
FOREIGN = re.compile(rb"(?<![\w.])/(?:w[o]rk|r[o]ot|f[a]rm)/|pypi\.o[r]g|pythonh[o]sted|registry\.npm[j]s|deb\.deb[i]an|registry\.y[a]rn")


def test_no_file_names_a_path_of_one_machine_or_a_package_registry() -> None:
    found = [(path, match) for path in tracked() for match in FOREIGN.findall(path.read_bytes())]

    assert_none([f"{path.relative_to(ROOT)}: {match.decode()}" for path, match in found])


def test_no_file_names_this_checkout() -> None:
    here = str(ROOT).encode()

    assert_none([str(path.relative_to(ROOT)) for path in tracked() if here in path.read_bytes()])


def test_the_product_imports_only_what_it_declares() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    requirements = [*project["dependencies"], *project["optional-dependencies"]["postgres"], *project["optional-dependencies"]["vcr"]]
    declared = {re.split(r"[^\w.-]", requirement)[0].lower() for requirement in requirements}
    # pydantic pins the version of its own core and re-exports none of its parsers.
    declared |= {"playhead"} | ({"pydantic-core"} if "pydantic" in declared else set())
    providers = packages_distributions()
    # Only pytest imports its plugin.
    brought = {"proxy.pytest_plugin": {"pytest"}, "proxy.testing": {"pytest"}}
    wrong = [
        f"{module}:{node.lineno} {name}"
        for module in product().values()
        for node, name in module.imports
        if name.partition(".")[0] not in next((tops for top, tops in brought.items() if within(module.name, [top])), set())
        and (top := name.partition(".")[0]) not in sys.stdlib_module_names | {"playhead"}
        and not {provider.lower().replace("_", "-") for provider in providers.get(top, [])} & declared
    ]

    assert_none(wrong)


def test_every_folder_says_that_it_is_typed() -> None:
    assert_none([folder for folder in FOLDERS if not (ROOT / folder / "py.typed").is_file()])
