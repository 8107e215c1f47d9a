"""Speak in a browser and watch the gates."""

from __future__ import annotations

import argparse
from pathlib import Path

from speech_lstm.commands.flags import MODEL, add_plugin_flag, load_plugins

EXAMPLE = "web"


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="MODEL",
        help=f"{MODEL} (the default one); may be repeated; small models of several cells are always there",
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="write the page as files for any web server, and serve nothing"
    )
    parser.add_argument(
        "--host",
        metavar="ADDRESS",
        help="serve other machines too, from this address of this one; a browser gives the microphone only to a page "
        "from localhost or https (only this machine)",
    )
    parser.add_argument("--port", type=int, default=0, metavar="N", help="port (any that is free)")
    parser.add_argument("--no-browser", action="store_true", help="do not open a browser")
    add_plugin_flag(parser)


def run(arguments: argparse.Namespace) -> int:
    load_plugins(arguments)
    from speech_lstm.web.server import LOCAL, PageServer
    from speech_lstm.web.site import models_of, site_files, write_site

    content = site_files(models_of(arguments.model))
    if arguments.out:
        from speech_lstm.errors import printable
        from speech_lstm.files import byte_size

        write_site(content, arguments.out)
        print(f"{printable(arguments.out)}: {len(content)} files, {byte_size(sum(map(len, content.values())))}")
        return 0
    with PageServer(content, arguments.host or LOCAL, arguments.port) as server:
        print(f"{server.address}  (Ctrl-C ends)", flush=True)
        if arguments.host:
            print("A browser on another machine gives the microphone only to a page from https.", flush=True)
        if not arguments.no_browser:
            import webbrowser

            webbrowser.open(server.address)
        server.serve_forever()
    return 0
