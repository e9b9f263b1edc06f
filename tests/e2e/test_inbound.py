"""Who comes in, and how: TLS, AUTH, the PROXY protocol and LMTP, with clients that are not ours."""

import base64
import contextlib
import shutil
import smtplib
import socket
import ssl
import struct
import subprocess
import time
import unittest
import warnings

from harness import PATIENCE, Case, Certificate, Raw, dot_stuffed, offer
from messages import Message, copies
from ports import free_port

PASSWORD = "s3cret p\u00e4ss"
LOCAL_USER = "me"


def trusting(least=None, most=None):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    if least:
        context.minimum_version = least
    if most:
        context.maximum_version = most
    return context


def users_file(directory):
    done = subprocess.run(["openssl", "passwd", "-6", "-stdin"], input=PASSWORD.encode(), capture_output=True, check=True)
    path = directory / "users"
    path.write_text(f"# who may send\n{LOCAL_USER}:{done.stdout.decode().strip()}\n", encoding="utf-8")
    return path


def proxied(client, version=1):
    """The header that a load balancer puts before what this client says."""
    if version == 1:
        return f"PROXY TCP4 {client} 198.51.100.1 12345 25\r\n".encode()
    addresses = socket.inet_aton(client) + socket.inet_aton("198.51.100.1") + struct.pack(">HH", 12345, 25)
    return b"\r\n\r\n\0\r\nQUIT\n\x21\x11" + struct.pack(">H", len(addresses)) + addresses


class Inbound(Case):
    def open(self, **listen):
        self.received = self.sink()
        self.certificate = Certificate(self.directory)
        self.port = free_port()
        entry = {"address": f"127.0.0.1:{self.port}", **listen}
        sections = {"tls": self.certificate.settings} if "tls" in listen else {}
        if "auth" in listen:
            sections["users"] = str(users_file(self.directory))
        self.daemon_ = self.daemon(self.received, grouping={"window": "0s"}, listen=[entry], **sections)
        self.daemon_.port = self.port
        return self.daemon_

    def client(self):
        client = smtplib.SMTP("127.0.0.1", self.port, local_hostname="fetcher.example", timeout=PATIENCE)
        self.addCleanup(client.close)
        return client

    def raw(self):
        raw = Raw("127.0.0.1", self.port)
        self.addCleanup(raw.socket.close)
        return raw

    def send(self, client, number=1):
        """One message by this client; its Received field as it went out."""
        message = Message(number, to=("anna",))
        recipient, data = copies(message)[0]
        offer(client, message.sender, [recipient], data)
        self.received.wait_for(lambda: self.received.of(message.id), what="the message")
        return self.received.of(message.id)[0].header("Received")[0]

    def serves_on(self):
        with self.daemon_.client() as client:
            self.assertEqual(client.noop()[0], 250)


class Tls(Inbound):
    def test_P170_P171_after_STARTTLS_nothing_is_known_of_before(self):
        self.open(tls="starttls")
        client = self.client()
        client.ehlo()
        self.assertTrue(client.has_extn("starttls"))
        self.assertEqual(client.docmd("MAIL", "FROM:<s@far.example>")[0], 250)
        client.starttls(context=trusting())
        self.assertEqual(client.docmd("RCPT", "TO:<anna@corp.example>")[0], 503)
        self.assertEqual(client.docmd("MAIL", "FROM:<s@far.example>")[0], 503)
        client.ehlo()
        self.assertFalse(client.has_extn("starttls"))
        self.assertEqual(client.docmd("STARTTLS")[0], 503)
        self.assertRegex(self.send(client), r"with ESMTPS \(TLSv1\.3 TLS_\w+\) id \d+;")

    def test_P173_what_stands_behind_STARTTLS_is_never_run(self):
        self.open(tls="starttls")
        for behind in (b"NOOP\r\n", b"MAIL FROM:<evil@far.example>\r\n", b"RSET", b"NO", b"\x16\x03\x01\x00\x01x"):
            with self.subTest(behind):
                raw = self.raw()
                raw.reply()
                raw.send(b"EHLO x\r\n")
                raw.reply()
                raw.send(b"STARTTLS\r\n" + behind)
                self.assertRegex(raw.reply(), "^554 5.5.0")
                self.assertTrue(raw.closed())
        self.serves_on()

    def test_P175_where_it_is_required_nothing_is_had_without(self):
        self.open(tls="required")
        raw = self.raw()
        raw.reply()
        self.assertRegex(raw.ask("EHLO x"), "^250")
        for command in ("MAIL FROM:<s@far.example>", "RSET", "VRFY x", "AUTH PLAIN", "DATA"):
            self.assertRegex(raw.ask(command), "^530 5.7.0")
        self.assertRegex(raw.ask("NOOP"), "^250")
        client = self.client()
        client.starttls(context=trusting())
        self.assertIn("ESMTPS", self.send(client))

    def test_P176_a_handshake_that_fails_ends_the_connection(self):
        self.open(tls="starttls")
        for garbage in (b"NOOP\r\n", b"\x16\x03\x01\xff\xff" + b"x" * 100, b"\x16\x03\x01\x00", b"", b"\x15\x03\x01\x00\x02\x02\x28"):
            with self.subTest(garbage):
                raw = self.raw()
                raw.reply()
                self.assertRegex(raw.ask("STARTTLS"), "^220")
                raw.send(garbage)
                if len(garbage) < 5:
                    raw.socket.shutdown(socket.SHUT_WR)
                with contextlib.suppress(ConnectionResetError):
                    while data := raw.socket.recv(4096):
                        self.assertNotRegex(data, rb"\d\d\d ")  # no reply in plain text
        self.serves_on()

    def test_P178_implicit_TLS(self):
        self.open(tls="implicit")
        client = smtplib.SMTP_SSL("127.0.0.1", self.port, context=trusting(), timeout=PATIENCE)
        self.addCleanup(client.close)
        self.assertIn("ESMTPS", self.send(client))
        raw = self.raw()
        raw.send(b"EHLO x\r\n")
        with contextlib.suppress(ConnectionResetError):
            self.assertNotIn(b"220", raw.socket.recv(4096))

    def test_P179_old_versions_only_where_they_are_asked_for(self):
        v1, v1_1, v1_2 = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2
        warnings.simplefilter("ignore", DeprecationWarning)  # that is what is tested
        for least, allowed, refused in (("1.2", (v1_2,), (v1, v1_1)), ("1.0", (v1, v1_1, v1_2), ()), ("1.3", (), (v1_2,))):
            self.open(tls="starttls")
            self.daemon_.configuration["tls"]["min_version"] = least
            changes = {"tls": self.daemon_.configuration["tls"], "listen": self.daemon_.configuration["listen"], "grouping": {"window": "0s"}}
            self.daemon_.stop()
            self.daemon_.configure(changes)
            self.daemon_.start()
            for version in allowed:
                client = self.client()
                client.starttls(context=trusting(version, version))
                self.assertEqual(client.sock.version(), version.name.replace("_", ".").replace("TLSv1.0", "TLSv1"))
            for version in refused:
                with self.assertRaises(ssl.SSLError):
                    self.client().starttls(context=trusting(version, version))

    def test_P135_an_end_of_TLS_within_a_chunk_ends_all(self):
        self.open(tls="implicit")
        for how in ("close", "close_notify and plaintext", "reset"):
            with self.subTest(how):
                plain = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)
                tls = trusting().wrap_socket(plain)
                tls.sendall(b"EHLO x\r\n")
                while b"HELP" not in tls.recv(4096):
                    pass
                tls.sendall(b"MAIL FROM:<s@far.example>\r\nRCPT TO:<anna@corp.example>\r\nBDAT 100 LAST\r\nSubject: half\r\n")
                if how == "close_notify and plaintext":
                    with contextlib.suppress(OSError):
                        plain = tls.unwrap()
                    with contextlib.suppress(OSError):
                        plain.sendall(b"x" * 100 + b"\r\nNOOP\r\n")
                        while plain.recv(4096):
                            pass
                    plain.close()
                    tls.close()
                    continue
                if how == "reset":
                    tls.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                tls.close()
        self.daemon_.port = self.port
        client = smtplib.SMTP_SSL("127.0.0.1", self.port, context=trusting(), timeout=PATIENCE)
        self.send(client)
        client.close()
        self.assertEqual(len(self.received.delivered), 1)
        self.assert_sound(self.daemon_)

    def test_an_end_of_TLS_after_every_step(self):
        """By close_notify, by the end of the connection alone, by a reset: each ends it, and only a final dot counts."""
        self.open(tls="starttls")
        dialogue = [
            b"EHLO x\r\n",
            b"MAIL FROM:<s@far.example>\r\n",
            b"RCPT TO:<anna@corp.example>\r\n",
            b"DATA\r\n",
            b"From: s@far.example\r\nSubject: half\r\n\r\nhalf a li",
            b"ne\r\n.",
            b"\r\nMAIL FROM:<t@far.example>\r\nRC",
        ]
        for how in ("close_notify", "close", "reset"):
            for steps in range(len(dialogue) + 1):
                with self.subTest(how, steps=steps):
                    self.end_after(dialogue[:steps], how)
        with self.client() as client:
            client.starttls(context=trusting())
            self.send(client)
        complete = [each.message for each in self.received.delivered if each.header("Subject") == ["half"]]
        self.assertLessEqual(len(complete), 3, "those whose final dot was sent, once each")
        self.assertTrue(all(each.endswith(b"\r\n\r\nhalf a line\r\n") for each in complete))
        self.assert_sound(self.daemon_)

    def end_after(self, lines, how):
        raw = self.raw()
        raw.reply()
        raw.ask("EHLO x")
        raw.ask("STARTTLS")
        if how == "close" and not lines:  # within the handshake
            raw.socket.sendall(b"\x16\x03\x01\x02\x00\x01")
            return raw.socket.close()
        tls = trusting().wrap_socket(raw.socket)
        for line in lines:
            tls.sendall(line)
            if line.endswith(b"\r\n") and b"Subject" not in line:
                tls.recv(4096)
        if how == "close_notify":
            with contextlib.suppress(OSError):
                tls.unwrap()
        if how == "reset":
            tls.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return tls.close()

    def test_a_new_certificate_is_taken_on_reload_and_no_session_is_lost(self):
        self.open(tls="starttls")
        old = self.client()
        old.starttls(context=trusting())
        before = old.sock.getpeercert(True)
        Certificate(self.directory, names="DNS:new.corp.example")
        mark = len(self.daemon_.log())
        self.daemon_.signal(1)
        self.daemon_.wait_log("reloaded", mark)
        self.assertIn("ESMTPS", self.send(old, 1))
        new = self.client()
        new.starttls(context=trusting())
        self.assertNotEqual(new.sock.getpeercert(True), before)
        self.certificate.key.write_text("no key")
        mark = len(self.daemon_.log())
        self.daemon_.signal(1)
        self.daemon_.wait_log("reload_refused", mark)
        self.client().starttls(context=trusting())

    def test_files_that_are_of_no_use_are_told_before_the_start(self):
        self.open(tls="starttls", auth="optional")
        self.daemon_.stop()
        self.certificate.key.unlink()
        (self.directory / "users").write_text("me\nyou:$1$weak$weak\n")
        status, log = self.daemon_.run_to_end()
        self.assertEqual(status, 78)
        self.assertRegex(log, r"cert\.key: No such file")
        self.assertRegex(log, r"users:1: ")
        self.assertRegex(log, r"users:2: ")
        self.assertNotIn("weak$weak", log)

    @unittest.skipUnless(shutil.which("openssl"), "not installed: openssl")
    def test_openssl_s_client(self):
        self.open(tls="starttls")
        for extra in ((), ("-tls1_2",)):
            command = ["openssl", "s_client", "-connect", f"127.0.0.1:{self.port}", "-starttls", "smtp", "-quiet", "-ign_eof", *extra]
            done = subprocess.run(command, input=b"QUIT\r\n", capture_output=True, timeout=PATIENCE, check=False)
            self.assertIn(b"221 2.0.0", done.stdout)
        command = ["openssl", "s_client", "-connect", f"127.0.0.1:{self.port}", "-starttls", "smtp", "-tls1_2", "-legacy_renegotiation"]
        done = subprocess.run(command, input=b"R\n", capture_output=True, timeout=PATIENCE, check=False)  # R: renegotiate
        self.assertNotIn(b"\n221 ", done.stdout)
        self.serves_on()


class Authentication(Inbound):
    def login(self, client, mechanism="PLAIN", password=PASSWORD, user=LOCAL_USER):
        client.ehlo_or_helo_if_needed()
        if mechanism == "PLAIN":
            return client.docmd("AUTH", "PLAIN " + base64.b64encode(f"\0{user}\0{password}".encode()).decode())[0]
        self.assertEqual(client.docmd("AUTH", "LOGIN")[0], 334)
        self.assertEqual(client.docmd(base64.b64encode(user.encode()).decode())[0], 334)
        return client.docmd(base64.b64encode(password.encode()).decode())[0]

    def test_both_mechanisms_and_what_Received_says(self):
        self.open(tls="starttls", auth="required")
        for number, mechanism in enumerate(("PLAIN", "LOGIN"), 1):
            client = self.client()
            client.starttls(context=trusting())
            client.ehlo()
            self.assertEqual(client.esmtp_features["auth"].split(), ["PLAIN", "LOGIN"])
            self.assertEqual(client.docmd("MAIL", "FROM:<s@far.example>")[0], 530)
            self.assertEqual(self.login(client, mechanism), 235)
            self.assertIn("with ESMTPSA", self.send(client, number))

    def test_in_plain_text_it_is_for_loopback_alone(self):
        self.open(auth="optional", proxy_protocol=True)
        for client, offered in (("127.0.0.1", True), ("192.0.2.1", False)):
            raw = self.raw()
            raw.send(proxied(client))
            raw.reply()
            raw.send(b"EHLO x\r\n")
            lines = [raw.line()]
            while lines[-1][3:4] == "-":
                lines.append(raw.line())
            self.assertEqual(any("AUTH" in line for line in lines), offered)
            answer = raw.ask("AUTH PLAIN " + base64.b64encode(f"\0{LOCAL_USER}\0{PASSWORD}".encode()).decode())
            self.assertRegex(answer, "^235" if offered else "^504 5.5.4")

    def test_wrong_passwords_wait_for_their_answer_and_end_the_session(self):
        self.open(auth="required")
        client = self.client()
        began = time.monotonic()
        for user, password in ((LOCAL_USER, "wrong"), ("nobody", PASSWORD), (LOCAL_USER, PASSWORD + "x"), (LOCAL_USER, "a")):
            self.assertEqual(self.login(client, password=password, user=user), 535)
        self.assertEqual(self.login(client, password="b"), 421)
        self.assertGreater(time.monotonic() - began, 4)

    def test_nothing_secret_is_in_any_log(self):
        self.open(auth="optional")
        for mechanism in ("PLAIN", "LOGIN"):
            self.assertEqual(self.login(self.client(), mechanism), 235)
        self.assertEqual(self.login(self.client(), password="another one"), 535)
        self.daemon_.wait_log("not_authenticated")
        log = self.daemon_.log()
        self.assertIn(f"authenticated client=127.0.0.1 user={LOCAL_USER}", log)
        for secret in (PASSWORD, "s3cret", "another one", base64.b64encode(PASSWORD.encode()).decode()):
            self.assertNotIn(secret, log)

    def test_many_guesses_at_once_hold_up_nobody(self):
        self.open(auth="optional")
        guessers = [self.client() for _ in range(30)]
        for guesser in guessers:
            guesser.ehlo()
            guesser.putcmd("AUTH", "PLAIN " + base64.b64encode(b"\0me\0wrong").decode())
        began = time.monotonic()
        self.send(self.client())
        self.assertLess(time.monotonic() - began, PATIENCE / 2)
        self.assertLessEqual({guesser.getreply()[0] for guesser in guessers}, {535, 454})
        self.assertEqual(self.login(self.client()), 235)


class Proxy(Inbound):
    def test_P190_P192_the_header_names_the_client(self):
        self.open(proxy_protocol=True)
        for number, version in enumerate((1, 2), 1):
            client = smtplib.SMTP(timeout=PATIENCE)
            self.addCleanup(client.close)
            client.sock = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)
            client.sock.sendall(proxied(f"192.0.2.{number}", version))
            self.assertEqual(client.getreply()[0], 220)
            self.assertIn(f"([192.0.2.{number}])", self.send(client, number))
        self.assertIn("client=192.0.2.2", self.daemon_.log())

    def test_P178_TLS_behind_the_header(self):
        for tls in ("implicit", "starttls"):
            self.open(proxy_protocol=True, tls=tls)
            connection = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)
            connection.sendall(proxied("192.0.2.9", 2))
            client = smtplib.SMTP(timeout=PATIENCE)
            self.addCleanup(client.close)
            client.sock = trusting().wrap_socket(connection) if tls == "implicit" else connection
            self.assertEqual(client.getreply()[0], 220)
            if tls == "starttls":
                client._host = "proxy.corp.example"  # pylint: disable=protected-access  # smtplib lets nobody else connect
                client.ehlo("x")
                client.starttls(context=trusting())
            self.assertRegex(self.send(client), r"\(\[192\.0\.2\.9\]\)[^;]* with ESMTPS ")

    def test_P191_P193_without_it_not_a_word_is_said(self):
        self.open(proxy_protocol=True)
        for said in (b"EHLO x\r\n", b"PROXY TCP4 1 2 3 4\r\n", b"\x16\x03\x01\x00\x01x"):
            with self.subTest(said):
                raw = self.raw()
                raw.send(said)
                with contextlib.suppress(ConnectionResetError):
                    self.assertEqual(raw.socket.recv(4096), b"")

    def test_P193_where_none_is_expected_it_ends_the_session(self):
        self.open()
        raw = self.raw()
        raw.reply()
        self.assertRegex(raw.ask("PROXY TCP4 192.0.2.1 198.51.100.1 1 2"), "^500 5.5.1")
        self.assertTrue(raw.closed())

    def test_P194_a_look_whether_anybody_is_at_home_is_not_logged(self):
        self.open(proxy_protocol=True)
        for _ in range(20):
            socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE).close()
        raw = self.raw()
        raw.send(proxied("192.0.2.1"))
        raw.reply()
        self.assertNotIn("connection_refused", self.daemon_.log())

    def test_limits_count_by_the_client_that_is_named(self):
        self.received = self.sink()
        self.port = free_port()
        entry = {"address": f"127.0.0.1:{self.port}", "proxy_protocol": True}
        self.daemon_ = self.daemon(self.received, listen=[entry], limits={"connections_per_client": 2})
        answers = []
        for client in ("192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.1"):
            raw = self.raw()
            raw.send(proxied(client))
            answers.append(raw.reply()[:3])
        self.assertEqual(answers, ["220", "220", "220", "421"])


class Lmtp(Inbound):
    def test_a_reply_for_each_recipient(self):
        self.open(protocol="lmtp")
        client = smtplib.LMTP("127.0.0.1", self.port, local_hostname="fetcher.example")
        self.addCleanup(client.close)
        client.ehlo()
        message = Message(1, to=("anna", "bert"))
        self.assertEqual(client.docmd("MAIL", f"FROM:<{message.sender}>")[0], 250)
        for recipient in message.everyone:
            self.assertEqual(client.docmd("RCPT", f"TO:<{recipient}>")[0], 250)
        self.assertEqual(client.docmd("DATA")[0], 354)
        client.send(dot_stuffed(copies(message)[0][1]) + b".\r\n")
        self.assertEqual([client.getreply()[0] for _ in message.everyone], [250, 250])
        self.assertEqual(client.noop()[0], 250)
        self.received.wait(1)
        self.assertEqual(self.received.recipients_of(message.id), sorted(message.everyone))
        self.assertIn("with LMTP id", self.received.delivered[0].header("Received")[0])

    def test_what_one_reply_hides_from_SMTP_is_not_needed_here(self):
        self.open(protocol="lmtp")
        raw = self.raw()
        raw.reply()
        self.assertRegex(raw.ask("EHLO x"), "^500")
        self.assertRegex(raw.ask("LHLO x"), "^250")
        self.assertRegex(raw.ask("MAIL FROM:<s@far.example>"), "^250")
        self.assertRegex(raw.ask("DATA"), "^503")


def swaks_missing():
    """A word where there is none, or one without TLS."""
    if not shutil.which("swaks"):
        return "not installed: swaks"
    done = subprocess.run(["swaks", "--support"], capture_output=True, text=True, check=False)
    return "" if "TLS supported" in done.stdout else "not installed: libnet-ssleay-perl, by which swaks does TLS"


@unittest.skipIf(swaks_missing(), swaks_missing())
class Swaks(Inbound):
    def swaks(self, *arguments, status=0):
        command = ["swaks", "--server", f"127.0.0.1:{self.port}", "--from", "s@far.example", "--to", "anna@corp.example", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=4 * PATIENCE, check=False)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout

    def test_plain(self):
        self.open()
        self.swaks()
        self.swaks("--protocol", "SMTP")
        self.swaks("--pipeline")

    def test_tls(self):
        self.open(tls="starttls")
        self.swaks("--tls")
        self.open(tls="required")
        self.swaks("--tls")
        self.swaks(status=23)
        self.open(tls="implicit")
        self.swaks("--tlsc")

    def test_auth(self):
        self.open(tls="required", auth="required")
        for mechanism in ("PLAIN", "LOGIN"):
            self.swaks("--tls", "--auth", mechanism, "--auth-user", LOCAL_USER, "--auth-password", PASSWORD)
        self.swaks("--tls", "--auth", "PLAIN", "--auth-user", LOCAL_USER, "--auth-password", "wrong", status=28)
        self.swaks("--tls", status=23)

    def test_every_protocol_it_has_a_name_for(self):
        user = ("--auth-user", LOCAL_USER, "--auth-password", PASSWORD)
        spoken = {
            ("smtp", "starttls"): ("SMTP", "ESMTP", "ESMTPA", "ESMTPS", "ESMTPSA"),
            ("smtp", "implicit"): ("SMTPS", "SSMTP", "SSMTPA"),
            ("lmtp", "starttls"): ("LMTP", "LMTPA", "LMTPS", "LMTPSA"),
        }
        for (protocol, tls), names in spoken.items():
            self.open(protocol=protocol, tls=tls, auth="optional")
            for number, name in enumerate(names, 1):
                with self.subTest(name):
                    message = f"Message-ID: <{number}@far.example>\r\nSubject: {name}\r\n\r\n%NEWLINE%"
                    self.swaks("--protocol", name, "--data", message, *(user if name.endswith("A") else ()))
                    self.received.wait(number)
                    said = {"SSMTP": "ESMTPS", "SSMTPA": "ESMTPSA", "SMTPS": "SMTP"}.get(name, name)
                    self.assertRegex(self.received.delivered[-1].header("Received")[0], rf"with {said} ")
            wrong = "LMTP" if protocol == "smtp" else "ESMTP"
            self.swaks("--protocol", wrong, *(("--tlsc",) if tls == "implicit" else ()), status=22)

    def test_tls_with_a_certificate_that_it_checks(self):
        self.open(tls="starttls")
        trusted = ("--tls-ca-path", str(self.certificate.certificate))
        self.swaks("--tls", "--tls-verify", *trusted)
        self.swaks("--tls", "--tls-verify", status=29)
        self.swaks("--tls", "--tls-sni", "other.example", "--tls-protocol", "tlsv1_2")
        self.swaks("--tls", "--tls-protocol", "tlsv1_1", status=29)
        for optional in ("--tls-optional", "--tls-optional-strict"):
            self.assertIn("TLS started", self.swaks(optional))
        self.open()
        for optional in ("--tls-optional", "--tls-optional-strict"):
            self.assertNotIn("TLS started", self.swaks(optional))
        self.swaks("--tls", status=29)

    def test_pipelined(self):
        self.open(tls="starttls", auth="optional")
        self.swaks("--pipeline", "--tls", "--auth", "PLAIN", "--auth-user", LOCAL_USER, "--auth-password", PASSWORD)
        self.open(protocol="lmtp")
        said = self.swaks("--pipeline", "--protocol", "LMTP", "--to", "anna@corp.example,bert@corp.example")
        self.assertEqual(said.count("<-  250 2.0.0"), 2)

    def test_what_is_not_there_is_not_offered_and_is_refused_without_a_fuss(self):
        self.open(auth="optional")
        self.swaks("--prdr", status=30)
        self.swaks("--xclient-addr", "192.0.2.1", status=33)
        self.swaks("--xclient-optional", "--xclient-addr", "192.0.2.1")
        self.swaks("--auth", "CRAM-MD5", "--auth-user", LOCAL_USER, "--auth-password", PASSWORD, status=28)
        raw = self.raw()
        raw.reply()
        raw.ask("EHLO x")
        self.assertRegex(raw.ask("XCLIENT ADDR=192.0.2.1"), "^50[02] 5.5.1")
        self.assertRegex(raw.ask("MAIL FROM:<s@far.example> PRDR"), "^555 5.5.4")
        self.assertRegex(raw.ask("MAIL FROM:<s@far.example>"), "^250")

    def test_a_unix_socket(self):
        self.open(address=f"unix:{self.directory}/smtp")
        command = ["swaks", "--socket", f"{self.directory}/smtp", "--from", "s@far.example", "--to", "anna@corp.example"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=4 * PATIENCE, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.received.wait(1)

    def test_proxy(self):
        for tls in ("none", "starttls", "implicit"):
            self.open(proxy_protocol=True, tls=tls)
            layer = {"none": (), "starttls": ("--tls",), "implicit": ("--tlsc",)}[tls]
            clients = (("192.0.2.1", "192.0.2.2", "TCP4", "AF_INET"), ("2001:db8::1", "2001:db8::2", "TCP6", "AF_INET6"))
            for source, other, first, second in clients:
                ends = ("--proxy-source", source, "--proxy-source-port", "1", "--proxy-dest", other, "--proxy-dest-port", "25")
                self.swaks(*layer, "--proxy-version", "1", "--proxy-family", first, *ends)
                self.assertIn(f"connect client={source}", self.daemon_.log())
                self.swaks(*layer, "--proxy-version", "2", "--proxy-family", second, "--proxy-protocol", "STREAM", *ends)
            self.swaks(*layer, "--proxy-version", "1", "--proxy", "UNKNOWN")


if __name__ == "__main__":
    unittest.main()
