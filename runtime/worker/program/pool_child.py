"""What a pool's child imports in place of the program; see `runtime.worker.program.pools`.

Its names are gone when the program runs in this module: that is what the pool takes for the program.
"""

import importlib as _importlib
import importlib.util as _util
import json as _json
import os as _os

_told = _json.loads(_os.environ["BULKHEAD_INTERNAL_POOL"])
_spec = _util.spec_from_file_location(
    "bulkhead_boot", _os.path.join(_os.path.dirname(__file__), "..", "boot.py")
)
_boot = _util.module_from_spec(_spec)  # type: ignore[arg-type]
_spec.loader.exec_module(_boot)  # type: ignore[union-attr]
_package = _boot.lend_package("" if _told[1] else _os.path.dirname(_os.path.realpath(_told[0])))
_code = _importlib.import_module(f"{_package}.worker.program.pools").code_for_child(*_told)
__file__ = _told[0]
__doc__ = None  # type: ignore[assignment]
del _importlib, _util, _json, _os, _told, _spec, _boot, _package
exec(_code)
