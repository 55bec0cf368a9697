"""A baseline for serving.py: one FastAPI route that returns a fixed page from a thread."""

from __future__ import annotations

import sys

import uvicorn
from fastapi import FastAPI
from starlette.responses import HTMLResponse

PAGE = "<!DOCTYPE html>" + "x" * 9_000


def page() -> HTMLResponse:
    return HTMLResponse(PAGE)


if __name__ == "__main__":
    web = FastAPI()
    web.add_api_route("/", page, response_model=None)
    uvicorn.run(web, port=int(sys.argv[1]), log_config=None, access_log=False)
