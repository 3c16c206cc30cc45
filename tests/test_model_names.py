"""The table of exported names against what the modules of models define."""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path
from typing import Any

from playhead.proxy.models import Wire
from playhead.proxy.models.names import places
from playhead.proxy.models.tagged import Tagged

MODELS = Path(__file__).resolve().parents[1] / "proxy" / "models"
PARTS = {"__init__", "doors", "kind", "names", "lenient"}


def exported(value: Any) -> bool:
    """Whether this is a model, or a union that is told apart."""
    model = isinstance(value, type) and issubclass(value, Wire)
    return model or any(isinstance(mark, Tagged) for mark in getattr(value, "__metadata__", ()))


def defined(module: str) -> list[str]:
    tree = ast.parse((MODELS / f"{module}.py").read_text(encoding="utf-8"))
    names = [node.name for node in tree.body if isinstance(node, ast.ClassDef)]
    names += [target.id for node in tree.body if isinstance(node, ast.Assign) for target in node.targets if isinstance(target, ast.Name)]
    loaded = import_module(f"playhead.proxy.models.{module}")
    return [name for name in names if not name.startswith("_") and exported(getattr(loaded, name))]


def test_every_model_and_union_is_exported_under_a_name_of_its_own() -> None:
    found = [(name, path.stem) for path in sorted(MODELS.glob("*.py")) if path.stem not in PARTS for name in defined(path.stem)]

    assert sorted(found) == sorted(places().items())


def test_type_checkers_see_the_same_modules() -> None:
    init = (MODELS / "__init__.py").read_text(encoding="utf-8")

    assert [module for module in sorted(set(places().values()) - {"wire"}) if f"    from .{module} import *" not in init] == []
