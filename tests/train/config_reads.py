"""Which settings the package reads: attributes of the sections, found by the types in its source.

Types come from annotations (parameters, fields, return values, `self`) and from assignments of typed
expressions, so `config.train.epochs` counts for [train] epochs alone, and `stage.epochs` for no setting.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Types = Mapping[str, str]  # name -> class


def settings_read(sources: Sequence[str], sections: Mapping[str, str]) -> set[tuple[str, str]]:
    """(section, key) of every read of a setting; `sections`: class of RunConfig's field, by its name."""
    trees = [ast.parse(source) for source in sources]
    classes: dict[str, dict[str, str]] = {}
    for node in (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)):
        members = classes.setdefault(node.name, {})
        for item in node.body:
            if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
                members[item.target.id] = _class(item.annotation)
            elif isinstance(item, ast.FunctionDef) and any(map(_is_property, item.decorator_list)):
                members[item.name] = _class(item.returns)
    classes["RunConfig"] = dict(sections)
    functions = {
        node.name: _class(node.returns)
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
    }
    names = {kind: section for section, kind in sections.items()}
    visitor = _Reads(classes, functions, names)
    for tree in trees:
        visitor.visit(tree)
    return visitor.found


def _is_property(decorator: ast.expr) -> bool:
    return isinstance(decorator, ast.Name) and decorator.id == "property"


def _class(annotation: ast.expr | None) -> str:
    """The class in `C`, `C | None`, "C"; nothing of anything else."""
    text = ast.unparse(annotation).strip("'\"") if annotation is not None else ""
    return re.sub(r" \| None$", "", text)


@dataclass
class _Reads(ast.NodeVisitor):
    classes: dict[str, dict[str, str]]
    functions: dict[str, str]
    sections: dict[str, str]  # class -> its name
    found: set[tuple[str, str]] = field(default_factory=set)
    scopes: list[dict[str, str]] = field(default_factory=lambda: [{}])
    owner: str = ""

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        before, self.owner = self.owner, node.name
        for item in ast.walk(node):  # attributes that a method sets
            if isinstance(item, ast.FunctionDef):
                self._learn_attributes(item)
        self.generic_visit(node)
        self.owner = before

    def _learn_attributes(self, function: ast.FunctionDef) -> None:
        self._enter(function)
        for item in ast.walk(function):
            if isinstance(item, ast.Assign):
                self._assign(item)
        self.scopes.pop()

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._enter(node)
        self.generic_visit(node)
        self.scopes.pop()

    def _enter(self, node: ast.FunctionDef) -> None:
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        scope = {a.arg: _class(a.annotation) for a in arguments}
        if "self" in scope:
            scope["self"] = self.owner
        self.scopes.append({**self.scopes[-1], **scope})

    def visit_Assign(self, node: ast.Assign) -> None:
        self._assign(node)
        self.generic_visit(node)

    def _assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            pairs = [(target, node.value)]
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                pairs = list(zip(target.elts, node.value.elts, strict=True))
            for one, value in pairs:
                kind = self._type(value)
                if isinstance(one, ast.Name):
                    self.scopes[-1][one.id] = kind
                elif isinstance(one, ast.Attribute) and kind:
                    self.classes.get(self._type(one.value), {}).setdefault(one.attr, kind)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        section = self.sections.get(self._type(node.value))
        if section is not None and isinstance(node.ctx, ast.Load):
            self.found.add((section, node.attr))
        self.generic_visit(node)

    def _type(self, node: ast.expr) -> str:
        if isinstance(node, ast.Name):
            return self.scopes[-1].get(node.id, "")
        if isinstance(node, ast.Attribute):
            return self.classes.get(self._type(node.value), {}).get(node.attr, "")
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            name = node.func.id
            return name if name in self.classes else self.functions.get(name, "")
        return ""
