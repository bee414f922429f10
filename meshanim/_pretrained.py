"""Models in folders: ``config.json`` with a format version beside ``model.safetensors``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from meshanim._check import InputError
from meshanim._files import atomic_path

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

FORMAT = 1
_PACKAGE = Path(__file__).resolve().parent
Settings = TypeVar("Settings", bound="DataclassInstance")


def _shipped_folders() -> list[Path]:
    """Where weights ship: inside an installed package, beside it in a source tree."""
    return [folder for folder in (_PACKAGE / "data", _PACKAGE.parent / "data") if folder.is_dir()]


def shipped_configs() -> dict[str, dict[str, Any]]:
    """What ``config.json`` says of each shipped model, by its name."""
    paths = [path for folder in _shipped_folders() for path in folder.glob("*/config.json")]
    return {path.parent.name: _read_config(path) for path in sorted(paths)}


def _shipped_names(kind: str) -> str:
    """The shipped models of a kind, in a sentence."""
    return ", ".join(name for name, config in shipped_configs().items() if config.get("model") == kind)


def shipped_model(name: str | Path) -> Path | None:
    """The folder of a shipped model by its name, with a slash on any system; None of any other, and of paths.

    ``./NAME`` is a path, and so is ``../NAME``.
    """
    plain = isinstance(name, str) and name == str(PurePosixPath(name)) and ".." not in name.split("/")
    folders = (folder / name for folder in _shipped_folders()) if plain else ()
    return next((folder for folder in folders if (folder / "config.json").is_file()), None)


def find_model(name: str | Path, kind: str) -> Path:
    """The folder of a shipped model by name, or a folder by path.

    A shipped model's name is that model even where a folder of the same name lies here: ``./NAME`` is the
    folder, and so is a ``Path``.

    Raises:
        InputError: neither is there; the message lists the shipped ones of that kind.
    """
    if (folder := shipped_model(name)) is not None:
        return folder
    if Path(name).is_dir():
        return Path(name)
    shipped = _shipped_names(kind)
    known = (
        f"shipped, as {shipped}, or a folder" if shipped else "a folder, since none of its kind is shipped"
    )
    research = isinstance(name, str) and name.startswith("research/")
    place = ", which is in a checkout of meshanim only" if research else ""
    raise InputError(f"the model must be {known}, got {str(name)!r}{place}")


def save_model(folder: str | Path, config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Path:
    """Write a model's folder, each file whole or not at all; the configuration, which makes it one, last."""
    target = Path(folder)
    text = json.dumps({"format": FORMAT, **config}, indent=2) + "\n"
    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with atomic_path(target / "model.safetensors") as path:
        save_file(whole, path, metadata={"config": _digest(text.encode())})
    with atomic_path(target / "config.json") as path:
        path.write_bytes(text.encode())
    return target


def _digest(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()


def load_model(folder: Path, kind: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read configuration and tensors of a model's folder.

    Raises:
        InputError: a file is missing or damaged, of another kind of model, of a newer format, or the two do
            not belong together.
    """
    config = _read_config(folder / "config.json")
    if config.get("model") != kind:
        shipped = _shipped_names(kind)
        such = f"{kind}, as {shipped}" if shipped else kind
        raise InputError(f"{folder} must hold a model of kind {such}, got {config.get('model')!r}")
    if config.get("format") != FORMAT:
        raise InputError(f"{folder} must have format {FORMAT}, got {config.get('format')!r}")
    path = folder / "model.safetensors"
    if not path.is_file():
        raise InputError(f"{folder} must hold config.json and model.safetensors, got no model.safetensors")
    try:
        with safe_open(path, framework="pt") as file:
            written = (file.metadata() or {}).get("config")
            # cloned, so that nothing looks into the file any more and every tensor is aligned alike
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise InputError(f"{path} must be a safetensors file, got {error}") from None
    if written != _digest((folder / "config.json").read_bytes()):
        raise InputError(f"{folder} must hold files of one save, got a config.json of another")
    return config, tensors


def _read_config(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise InputError(f"{path.parent} must hold config.json and model.safetensors, got no config.json")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{path} must be a JSON file, got {error}") from None
    if not isinstance(config, dict):
        raise InputError(f"{path} must hold a JSON object, got {type(config).__name__}")
    return config


def settings_from(kind: type[Settings], saved: Mapping[str, Any]) -> Settings:
    """A dataclass of what ``dataclasses.asdict`` wrote; lists, as JSON has them, become tuples.

    Raises:
        InputError: a name that the class does not know.
    """
    known = {item.name for item in fields(kind)}
    if unknown := sorted(set(saved) - known):
        raise InputError(f"settings must be among {', '.join(sorted(known))}, got {', '.join(unknown)}")
    return kind(**{name: tuple(v) if isinstance(v, list) else v for name, v in saved.items()})


@contextmanager
def _single_precision() -> Iterator[None]:
    """Networks are built in float32 here, whatever type the caller has made PyTorch's default."""
    usual = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        yield
    finally:
        torch.set_default_dtype(usual)


class Pretrained(nn.Module):
    """A network that is written to a folder, and read from one or by the name of a shipped one.

    A subclass tells what an untrained network like it is made from, and makes one: of settings alone, or of
    tensors that are no part of its state too.
    """

    kind: ClassVar[str]
    """As ``config.json`` names it."""
    halved: ClassVar[bool] = False
    """Its numbers are written with 16 bits; they are read with 32."""

    def _settings(self) -> dict[str, Any]:
        """What ``config.json`` says beside the kind."""
        raise NotImplementedError

    @classmethod
    def _from_settings(cls, settings: Mapping[str, Any]) -> Self:
        """An untrained network."""
        raise NotImplementedError

    def _given(self) -> dict[str, Tensor]:
        """Tensors that are written beside the state, such as a mesh."""
        return {}

    @classmethod
    def _untrained(cls, settings: Mapping[str, Any], tensors: dict[str, Tensor]) -> Self:
        """An untrained network of all that its files hold; takes what is no state out of ``tensors``."""
        return cls._from_settings(settings)

    def save_pretrained(self, folder: str | Path) -> Path:
        """Write ``config.json`` and ``model.safetensors``, whole or not at all."""
        tensors = self.state_dict()
        if self.halved:
            tensors = {name: t.half() if t.is_floating_point() else t for name, t in tensors.items()}
        return save_model(folder, {"model": self.kind, **self._settings()}, {**tensors, **self._given()})

    @classmethod
    def from_pretrained(cls, name: str | Path) -> Self:
        """A shipped network by its name, or one from a folder, in evaluation mode.

        Raises:
            InputError: no such network, or files that are damaged or do not belong together.
        """
        folder = find_model(name, cls.kind)
        config, tensors = load_model(folder, cls.kind)
        try:
            # The first weights that layers draw give way to the files'; the caller's random numbers go on.
            with _single_precision(), torch.random.fork_rng(devices=[]):
                model = cls._untrained(config, tensors)
            model.load_state_dict(tensors)
        except (KeyError, TypeError, RuntimeError) as error:
            lacking = f"{folder} must hold a whole {cls.__name__}, got one that lacks {error}"
            raise InputError(lacking) from None
        return model.eval()
