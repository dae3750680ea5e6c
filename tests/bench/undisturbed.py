"""For benches: to measure beside other work as on a quiet machine."""
import os


class Undisturbed:
    """What this process starts goes before everything else that runs here, ours and the peer's alike: what other work the machine has is not
    what is measured."""

    def __enter__(self):
        try:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
            self.how = 'all under SCHED_FIFO'
        except OSError as error:
            self.how = f'beside whatever else runs ({error.strerror})'
        return self

    def __exit__(self, *_):
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
