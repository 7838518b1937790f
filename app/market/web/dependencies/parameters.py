"""Query parameters that a route does not know are refused: a filter with a typing error would filter nothing."""

from __future__ import annotations

from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel


async def known_parameters(request: Request) -> None:
    """A dependency of every route of the API. Errors: RequestValidationError, told as `invalid-fields`."""
    route: Any = request.scope.get("route")
    if not request.query_params or not isinstance(route, APIRoute):
        return
    known = names_of(route)
    unknown = [name for name in request.query_params if name not in known]
    if unknown:
        words = f"This route knows no such parameter; it knows: {', '.join(sorted(known)) or 'none'}"
        raise RequestValidationError([{"loc": ("query", name), "msg": words, "type": "extra"} for name in unknown])


def names_of(route: APIRoute) -> set[str]:
    """The query parameters of a route, those of a model one by one."""
    found: set[str] = set()
    waiting = [route.dependant]
    while waiting:
        dependant = waiting.pop()
        waiting += dependant.dependencies
        for each in dependant.query_params:
            model = each.field_info.annotation
            if isinstance(model, type) and issubclass(model, BaseModel):
                found |= {field.alias or name for name, field in model.model_fields.items()}
            else:
                found.add(each.alias)
    return found
