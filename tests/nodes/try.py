import random, subprocess, sys, time, logging
from pathlib import Path
from tests.nodes.authorities import *
from tests.nodes.database import database
from tests.nodes.department import *
from tests.nodes.traffic import Traffic
import tempfile
def main():
    root = Path(tempfile.mkdtemp(prefix="sweep-"))
    print(root, flush=True)
    global t; t=time.time()
    def lap(what):
        print(f"{time.time()-t:6.1f} {what}", flush=True)
    with database(standby=False) as db:
        las, server = make_authorities(root/"la", int(sys.argv[1])); lap("made authorities")
        dep = Department(root/"dwp", db, clocks_apart=False); lap("dwp")
        introduce_all(dep.first, las, server, dep.ports); lap("introduced")
        dep.share(); lap("shared")
        dep.start()
        p = subprocess.Popen([sys.executable, "-m", "tests.nodes.authorities", str(server.landing), *las], stdout=subprocess.PIPE)
        print(p.stdout.readline()); lap("started las")
        try:
            wait_until(lambda: len(owners(dep)) == len(las)+1, 60, "owners"); lap("owners")
            traffic = Traffic(dep, las, random.Random(1))
            wave = traffic.wave(30, 10, dep.nodes); lap("dropped")
            left = None
            until = time.time()+90
            while time.time() < until:
                left = traffic.unreceipted(wave)
                lap(len(left))
                if not left: break
                time.sleep(2)
            print([ (f.out, f.partner, f.name) for f in left])
            w, f = traffic.arrived()
            print("missing", w-f, "extra", f-w)
            from collections import Counter
            print(Counter(map(tuple, dep.rows("select direction, state, code from transfers"))))
            print(Counter(map(tuple, dep.rows("select direction, state, code from consignments"))))
        finally:
            for each in dep.told(): print(each)
            dep.end()
            p.terminate(); p.wait()
            server.stop()
    
if __name__=='__main__': main()
