"""What an operator hands over as a file of YAML or JSON."""

import sys
from pathlib import Path
from typing import Any

import yaml

from app.errors import InvalidError


class StrictLoader(yaml.SafeLoader):  # type: ignore[misc]  # yaml has no types
    """Refuses a key that comes twice: YAML's own loaders drop the first without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """What the node says. Raises :class:`yaml.constructor.ConstructorError`."""
        keys = [key.value for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(
                    problem=f"the key {key!r} appears twice", problem_mark=node.start_mark
                )
        found: dict[Any, Any] = super().construct_mapping(node, deep)
        return found


def read_document(file: Path) -> object:
    """What is in a file of YAML or JSON. Raises :class:`InvalidError`."""
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text()
        return yaml.load(text, StrictLoader)  # noqa: S506 - a SafeLoader
    except OSError as error:
        raise InvalidError(told=f"{file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InvalidError(told=f"{file} is not UTF-8") from None
    except yaml.MarkedYAMLError as malformed:
        line = malformed.problem_mark.line + 1 if malformed.problem_mark else 1
        raise InvalidError(
            told=f"{file}: line {line}: {malformed.problem or malformed.context}"
        ) from None
    except RecursionError:
        raise InvalidError(told=f"{file} is nested too deeply") from None
    except yaml.YAMLError:
        raise InvalidError(told=f"{file} has characters that YAML does not permit") from None
