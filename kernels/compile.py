"""Compile a Triton kernel for an NVIDIA architecture without a GPU, and read what came out.

Triton's wheel carries `ptxas`, `cuobjdump` and `nvdisasm`: registers, spills and machine instructions can be asserted
on any machine. Kernels must have been decorated without `TRITON_INTERPRET`.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TOOL_SECONDS = 60
"""Longest wait for a disassembler."""
HOPPER = 90


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """One kernel for one architecture."""

    ptx: str
    instructions: tuple[str, ...]
    """SASS in order, predicates included: `@!P0 LDG.E.128 R4, desc[UR4][R2.64]`."""
    loops: tuple[tuple[str, ...], ...]
    """Instructions of each loop; an outer one contains its inner ones."""
    registers: int
    """32-bit, of a thread."""
    stack: int
    """Bytes of local memory of a thread; above 0 when registers were spilled."""
    shared: int
    """Bytes of a block."""

    def count(self, opcode: str) -> int:
        """Instructions whose opcode matches the regular expression from its start: `count(r"MUFU\\.EX2")`."""
        return count(self.instructions, opcode)

    @property
    def spills(self) -> int:
        """Loads and stores of local memory."""
        return self.count(r"(?:LDL|STL)\b")


def count(instructions: Iterable[str], opcode: str) -> int:
    """Instructions whose opcode matches, whatever predicate stands before it."""
    pattern = re.compile(rf"(?:@!?U?P\w+\s+)?(?:{opcode})")
    return sum(pattern.match(line) is not None for line in instructions)


def compile_kernel(
    kernel: Any, arguments: Mapping[str, object], *, num_warps: int = 4, capability: int = HOPPER, fuse: bool = True
) -> Compiled:
    """Compile `kernel`, a `triton.jit` function.

    `arguments` names every parameter: a value for a `constexpr`, else a Triton type, `"*bf16"` or `"i64"`, with `":16"`
    behind it when a launch would see a multiple of 16 (pointers of torch tensors are). None and 1 instead of a type are
    constants, as in a launch. `fuse`: whether a product and a sum may become one FFMA, as Triton 3.9 does by default.
    Raises ValueError for a name that is missing or unknown, or a kernel decorated for the interpreter.
    """
    from triton import compile as triton_compile
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource
    from triton.runtime.jit import JITFunction

    if not isinstance(kernel, JITFunction):
        raise ValueError(f"{kernel} cannot be compiled; was it decorated while TRITON_INTERPRET was set?")
    if set(arguments) != set(kernel.arg_names):
        raise ValueError(f"arguments must name {kernel.arg_names}, got {sorted(arguments)}")
    signature, constants, attributes = _typed(kernel, arguments)
    source = ASTSource(kernel, signature=signature, constexprs=constants, attrs=attributes)
    options = {"num_warps": num_warps, "enable_fp_fusion": fuse}
    built = triton_compile(source, target=GPUTarget("cuda", capability, 32), options=options)
    usage, listing = _disassemble(built.asm["cubin"])
    instructions, loops = _parse(listing)
    return Compiled(
        ptx=built.asm["ptx"],
        instructions=instructions,
        loops=loops,
        registers=_resource(usage, "REG"),
        stack=_resource(usage, "STACK"),
        shared=built.metadata.shared,
    )


def _typed(
    kernel: Any, arguments: Mapping[str, object]
) -> tuple[dict[str, str], dict[str, object], dict[tuple[int, ...], list[list[object]]]]:
    """What `ASTSource` wants: types, constants by name, and alignment by position."""
    signature: dict[str, str] = {}
    constants: dict[str, object] = {}
    attributes: dict[tuple[int, ...], list[list[object]]] = {}
    for index, parameter in enumerate(kernel.params):
        given = arguments[parameter.name]
        if parameter.is_constexpr or given is None or given == 1:
            signature[parameter.name], constants[parameter.name] = "constexpr", given
            continue
        kind, _, divisor = str(given).partition(":")
        signature[parameter.name] = kind
        if divisor:
            attributes[(index,)] = [["tt.divisibility", int(divisor)]]
    return signature, constants, attributes


def _disassemble(cubin: bytes) -> tuple[str, str]:
    """Resource usage and SASS."""
    from triton import knobs

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kernel.cubin"
        path.write_bytes(cubin)
        usage = _output(knobs.nvidia.cuobjdump.path, "-res-usage", str(path))
        listing = _output(knobs.nvidia.nvdisasm.path, "-c", "-ndf", str(path))
    return usage, listing


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=TOOL_SECONDS).stdout


def _resource(usage: str, name: str) -> int:
    found = re.search(rf"\b{name}:(\d+)", usage)
    if found is None:
        raise ValueError(f"no {name} in the resource usage: {usage!r}")
    return int(found[1])


def _parse(listing: str) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Instructions, and those of every loop: from a label to the last branch back to it. Padding is left out."""
    lines: list[str] = []
    starts: dict[str, int] = {}
    ends: dict[str, int] = {}
    for label, text in re.findall(r"^\s*(?:(\.L_x_\w+):|/\*[0-9a-f]{4,}\*/\s+(.*?)\s*;)", listing, re.MULTILINE):
        if label:
            starts[label] = len(lines)
            continue
        lines.append(text.removeprefix("{").strip())
        target = re.search(r"BRA\S*\s.*`\((\.L_x_\w+)\)", text)
        if target and target[1] in starts:
            ends[target[1]] = len(lines)
    loops = [tuple(lines[starts[label] : end]) for label, end in ends.items()]
    loops = [loop for loop in loops if len(loop) > 1]  # a program ends in a branch to itself
    return tuple(line for line in lines if line != "NOP"), tuple(loops)
