"""A program whose threads all stand still at known places, for stacks_live.py. Runs on every CPython from 3.8 on. Prints one line of JSON once they stand:
{"threads": {kernel number: innermost function of ours}}; SIGUSR1 has faulthandler write all stacks to the file that it is given. With the word `fork`
the one that stands is a child of a process that had the threads."""
import faulthandler
import json
import os
import signal
import sys
import threading

hold = threading.Event()
places = {}
here = threading.Barrier(7)


def stand(name):
    places[getattr(threading, 'get_native_id')()] = name
    here.wait()
    hold.wait(  # a call over several lines
        timeout=600,
    )


class Café:
    def über(self):
        def inner():
            stand('inner')
        return inner()


def generating():
    yield 1
    stand('generating')
    yield 2


def takes_generator():
    return [each
            for each in generating()]


def sorts():
    return sorted([3, 1, 2], key=lambda each: stand('<lambda>') or each)


def within():
    with open(os.devnull) as nothing:
        try:
            raise ValueError(nothing)
        except ValueError:
            try:
                stand('within')
            finally:
                pass


def deep(level):
    if level:
        return deep(level - 1)
    return stand('deep')


def long_code():
    x = None
    x = (x, 0) if x else 0 + len(str(x))
    x = (x, 1) if x else 1 + len(str(x))
    x = (x, 2) if x else 2 + len(str(x))
    x = (x, 3) if x else 3 + len(str(x))
    x = (x, 4) if x else 4 + len(str(x))
    x = (x, 5) if x else 5 + len(str(x))
    x = (x, 6) if x else 6 + len(str(x))
    x = (x, 7) if x else 7 + len(str(x))
    x = (x, 8) if x else 8 + len(str(x))
    x = (x, 9) if x else 9 + len(str(x))
    x = (x, 10) if x else 10 + len(str(x))
    x = (x, 11) if x else 11 + len(str(x))
    stand('long_code')
    return x


def main():
    faulthandler.register(signal.SIGUSR1, file=open(sys.argv[1], 'w'), all_threads=True)
    for run in (Café().über, takes_generator, sorts, within, lambda: deep(60), long_code):
        threading.Thread(target=run, daemon=True).start()
    here.wait()
    if 'fork' in sys.argv and os.fork():
        os.wait()
        return
    names = {} if 'fork' in sys.argv else dict(places)
    names[threading.get_native_id()] = 'main'
    print(json.dumps({'pid': os.getpid(), 'threads': {str(number): name for number, name in names.items()}}), flush=True)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    signal.sigwait([signal.SIGTERM])


main()
