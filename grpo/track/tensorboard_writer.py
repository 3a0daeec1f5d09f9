"""TensorBoard event files in the run folder, written without torch."""

from __future__ import annotations

import time

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from grpo.track.writer import RunHeader, Writer
from grpo.types import StepMetrics

FLUSH_SECONDS = 10


class TensorBoardWriter(Writer):
    """One scalar per metric; the stage's place stands in `progress/stage_step`."""

    def __init__(self, header: RunHeader) -> None:
        self._events = EventFileWriter(str(header.folder / "tensorboard"), flush_secs=FLUSH_SECONDS)
        if header.resume_step is not None:
            # A start event makes TensorBoard forget what an earlier process wrote from this step on.
            start = SessionLog(status=SessionLog.START)
            self._events.add_event(Event(wall_time=time.time(), step=header.resume_step + 1, session_log=start))

    def log(self, metrics: StepMetrics) -> None:
        values = dict(metrics.values) | {"progress/stage_step": float(metrics.stage_step)}
        scalars = [Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
        self._events.add_event(Event(wall_time=time.time(), step=metrics.step, summary=Summary(value=scalars)))

    def close(self, status: str) -> None:
        self._events.close()
