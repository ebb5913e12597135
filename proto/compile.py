"""Turns `proto/ursa/wire/*.proto` into `ursa/wire/*_pb2.py` (+ `.pyi`): `python proto/compile.py`."""

from __future__ import annotations

from importlib import resources
from pathlib import Path


def compile_protos(root: Path) -> None:
    """Compiles every `.proto` below `root/proto` into `root`; raises SystemExit when protoc refuses one."""
    from grpc_tools import protoc

    sources = sorted(str(p) for p in (root / "proto").glob("ursa/wire/*.proto"))
    target = root / "ursa" / "wire"
    target.mkdir(parents=True, exist_ok=True)
    well_known = str(resources.files("grpc_tools") / "_proto")
    status = protoc.main(
        ["protoc", f"-I{root / 'proto'}", f"-I{well_known}", f"--python_out={root}", f"--pyi_out={root}", *sources]
    )
    if status:
        raise SystemExit(f"protoc failed with status {status}")
    (target / "__init__.py").write_text('"""Generated from proto/; do not edit, do not commit."""\n')


if __name__ == "__main__":
    compile_protos(Path(__file__).resolve().parent.parent)
