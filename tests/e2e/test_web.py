"""The read-only web side: page, /metrics and /healthz tell what onecopyctl tells, to a real browser too."""

import html
import http.client
import pathlib
import re
import shutil
import smtplib
import socket
import subprocess
import tempfile
import threading
import unittest

from harness import PATIENCE, SANITIZED, Case, offer, until
from messages import Message, copies
from ports import free_port

EVIL = '"<script>alert(1)</script>&\'"@far.example'


class Web(Case):
    def setUp(self):
        super().setUp()
        self.received = self.sink()
        self.port = free_port()

    def start(self, **changes):
        options = {"grouping": {"window": "1h"}, "http": {"address": f"127.0.0.1:{self.port}"}, **changes}
        return self.daemon(self.received, **options)

    def ask(self, path, method="GET", port=None):
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=PATIENCE)
        connection.request(method, path)
        answer = connection.getresponse()
        body = answer.read().decode("utf-8")
        connection.close()
        return answer, body

    def metrics(self):
        lines = [line.rsplit(" ", 1) for line in self.ask("/metrics")[1].splitlines() if not line.startswith("#")]
        return {name: float(value) for name, value in lines}

    def flow(self, daemon):
        for recipient, data in copies(Message(1, to=("anna", "bert"))):
            daemon.send(Message(1).sender, [recipient], data)
        daemon.ctl("release", "--all")
        until(lambda: daemon.json("status")["counts"]["delivered"] == 2, what="two delivered recipients")
        for recipient, data in copies(Message(2, to=("anna", "bert"))):
            daemon.send(EVIL, [recipient], data)

    def browser(self, *arguments, address=None):
        with tempfile.TemporaryDirectory() as home:
            command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={home}", *arguments]
            done = subprocess.run([*command, address or f"http://127.0.0.1:{self.port}/"], capture_output=True, text=True, timeout=2 * PATIENCE, check=True)
            return done.stdout

    def test_page_metrics_and_status_agree(self):
        daemon = self.start()
        self.flow(daemon)
        counts = daemon.json("status")["counts"]
        figures = self.metrics()
        answer, page = self.ask("/")
        names = {"held": "held", "queued": "queued", "copies": "copies_total", "delivered": "recipients_delivered_total", "suppressed": "recipients_suppressed_total"}
        for name, metric in names.items():
            self.assertEqual(figures[f"onecopy_{metric}"], counts[name])
            self.assertIn(f'<b id="{name}">{counts[name]}</b>', page)
        self.assertEqual((counts["held"], counts["copies"], counts["delivered"]), (1, 4, 2))
        self.assertEqual(figures["onecopy_copies_merged_total"], 2)
        self.assertEqual(figures["onecopy_acknowledgement_seconds_count"], 4)
        self.assertEqual(figures["onecopy_hold_seconds_count"], 1)
        self.assertNotIn("<script", page)
        self.assertIn("&lt;script&gt;", page)
        self.assertIn("default-src 'none'", answer.getheader("Content-Security-Policy"))

    def test_what_is_due_is_queued_be_it_that_nobody_tried_it(self):
        """A server that rests is not tried for each: most of what waits then was never tried."""
        self.received.stop()
        daemon = self.start(grouping={"window": "200ms"})
        for number in range(20):
            daemon.send("s@far.example", ["anna@corp.example"], Message(number).text())
        until(lambda: daemon.json("status")["counts"]["queued"] == 20, what="what stands in status")
        self.assertEqual(daemon.json("status")["counts"]["held"], 0)
        self.assertEqual((len(daemon.json("list", "queued")), daemon.json("list", "held")), (20, []))
        self.assertEqual({each["state"] for each in daemon.json("list")}, {"queued"})
        figures = self.metrics()
        self.assertEqual((figures["onecopy_queued"], figures["onecopy_held"]), (20, 0))
        self.assertIn('<b id="queued">20</b>', self.ask("/")[1])

    @unittest.skipUnless(shutil.which("promtool"), "promtool is missing")
    def test_prometheus_takes_the_metrics(self):
        daemon = self.start()
        self.flow(daemon)
        done = subprocess.run(["promtool", "check", "metrics"], input=self.ask("/metrics")[1], capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))

    def test_health_says_what_is_wrong(self):
        daemon = self.start()
        answer, body = self.ask("/healthz")
        self.assertEqual((answer.status, body), (200, "ok\n"))
        daemon.ctl("pause")
        answer, body = self.ask("/healthz")
        self.assertEqual(answer.status, 503)
        self.assertEqual(body, "forwarding is paused (onecopyctl resume)\n")
        daemon.ctl("resume")
        self.assertEqual(self.ask("/healthz")[0].status, 200)
        self.received.stop()
        self.flow_without_backend(daemon)
        until(lambda: "every server of the backend rests" in self.ask("/healthz")[1], what="a word on the backend")

    def flow_without_backend(self, daemon):
        daemon.send(Message(3).sender, ["anna@corp.example"], copies(Message(3))[0][1])
        daemon.ctl("release", "--all")

    def test_nothing_else_is_there_and_nothing_can_be_changed(self):
        self.start()
        for path in ("/status", "/release", "/metrics/", "/../etc/passwd", "/%00"):
            self.assertEqual(self.ask(path)[0].status, 404, path)
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
            answer, _ = self.ask("/", method)
            self.assertEqual((answer.status, answer.getheader("Allow")), (405, "GET, HEAD"), method)
        self.assertEqual(self.ask("/", "HEAD")[1], "")

    def test_a_name_that_anybody_can_have_is_not_answered(self):
        self.start()
        for host, status in (("localhost", 200), (f"localhost:{self.port}", 200), (f"127.0.0.1:{self.port}", 200), ("[::1]:80", 200), ("LocalHost", 200), ("rebound.far.example", 421), ("127.0.0.1.far.example", 421), ("localhost.far.example:80", 421)):
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
            connection.request("GET", "/healthz", headers={"Host": host})
            self.assertEqual(connection.getresponse().status, status, host)
            connection.close()

    def test_clients_that_send_too_much_or_nothing_hold_up_nobody(self):
        daemon = self.start()
        for request in (b"GET /" + b"x" * 100_000, b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20_000, b"\0" * 1000 + b"\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", self.port), PATIENCE) as client:
                try:
                    client.sendall(request)
                    self.assertNotIn(b" 200 ", client.recv(4096))
                except ConnectionError:
                    pass
        idle = [socket.create_connection(("127.0.0.1", self.port), PATIENCE) for _ in range(100)]
        self.assertEqual(self.ask("/healthz")[0].status, 200)
        self.assertEqual(daemon.json("status")["counts"]["held"], 0)
        for each in idle:
            each.close()

    @unittest.skipUnless(shutil.which("strace") and not SANITIZED, "strace is missing, or the sanitizers do not let it in")
    def test_a_stalled_ledger_is_told(self):
        daemon = self.start()
        self.assertEqual(self.ask("/healthz")[0].status, 200)
        with subprocess.Popen(["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync", "-e", "inject=fdatasync:delay_enter=38s:when=1", "-p", str(daemon.process.pid)], stderr=subprocess.PIPE) as tracer:
            try:
                until(lambda: f"TracerPid:\t{tracer.pid}\n" in pathlib.Path(f"/proc/{daemon.process.pid}/status").read_text(), what="a tracer")
                sending = threading.Thread(target=self.send_slowly, args=[daemon])
                sending.start()
                until(lambda: "the ledger has been at one batch for" in self.ask("/healthz")[1], deadline=60, what="a word on the ledger")
                self.assertGreater(self.metrics()["onecopy_ledger_busy_seconds"], 30)
                self.assertIn("the ledger has been at one batch", self.ask("/")[1])
                sending.join()
                until(lambda: self.ask("/healthz")[0].status == 200, what="a ledger that works again")
            finally:
                tracer.terminate()

    def send_slowly(self, daemon):
        with smtplib.SMTP("127.0.0.1", daemon.port, timeout=3 * PATIENCE) as client:
            offer(client, Message(4).sender, ["anna@corp.example"], copies(Message(4))[0][1])

    def test_a_reload_moves_it_and_ends_it(self):
        daemon = self.start()
        self.assertEqual(self.ask("/healthz")[0].status, 200)
        other = free_port()
        daemon.configure({"http": {"address": f"127.0.0.1:{other}"}})
        daemon.ctl("reload")
        self.assertEqual(self.ask("/healthz", port=other)[0].status, 200)
        with self.assertRaises(ConnectionRefusedError):
            self.ask("/healthz")
        daemon.configure()
        daemon.ctl("reload")
        with self.assertRaises(ConnectionRefusedError):
            self.ask("/healthz", port=other)

    @unittest.skipUnless(shutil.which("chromium"), "chromium is missing")
    def test_a_phone_needs_not_scroll_sideways(self):
        """Chromium's own windows are not that narrow, but a frame in one is."""
        daemon = self.start()
        self.flow(daemon)
        long = "x" * 60
        daemon.send(f"{long}@{long}.far.example", ["anna@corp.example"], copies(Message(5))[0][1].replace(b"<m5", b"<m5" + b"y" * 300))
        measure = "root = frame.contentDocument.documentElement; document.title = 'needs ' + root.scrollWidth + ' of ' + root.clientWidth"
        with tempfile.NamedTemporaryFile("w", suffix=".html", encoding="utf-8") as file:
            file.write(f'<iframe id="frame" style="width:375px;height:900px;border:0" onload="{measure}" srcdoc="{html.escape(self.ask("/")[1])}"></iframe>')
            file.flush()
            page = self.browser("--dump-dom", "--virtual-time-budget=3000", address=f"file://{file.name}")
        needs, room = re.search(r"needs (\d+) of (\d+)", page).groups()
        self.assertLessEqual(int(needs), int(room))
        self.assertLessEqual(int(room), 375)

    @unittest.skipUnless(shutil.which("chromium"), "chromium is missing")
    def test_a_browser_shows_the_figures(self):
        daemon = self.start()
        self.flow(daemon)
        page = self.browser("--dump-dom")
        figures = dict(re.findall(r'<b id="(\w+)">(\d+)</b>', page))
        self.assertEqual((figures["held"], figures["copies"], figures["merged"], figures["delivered"]), ("1", "4", "2", "2"))
        pictures = set()
        with tempfile.TemporaryDirectory() as folder:
            for width, dark in ((1200, False), (1200, True), (375, False), (375, True)):
                picture = pathlib.Path(folder) / f"{width}{'-dark' if dark else ''}.png"
                self.browser(f"--window-size={width},1000", f"--screenshot={picture}", *(["--blink-settings=preferredColorScheme=0"] if dark else []))
                self.assertGreater(picture.stat().st_size, 5000)
                pictures.add(picture.read_bytes())
        self.assertEqual(len(pictures), 4, "light and dark, wide and narrow differ")


if __name__ == "__main__":
    unittest.main()
