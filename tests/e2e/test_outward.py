"""What stands between onecopyd and a mail server that asks for more: TLS, AUTH, LMTP."""

import ssl
import threading
import unittest

from harness import PATIENCE, Case, Certificate, until
from messages import Message, copies
from sink import CLOSE, NOTIFY, RESET, Hooks


def serving(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate, certificate.key)
    return context


class NoHandshake(Hooks):
    """Says 220, and then no TLS."""

    def start_tls(self):
        return CLOSE


class Injecting(Hooks):
    """Puts a reply of its own behind the 220, which a client must not take for one that came under TLS."""

    def start_tls(self):
        return "220 2.0.0 go\r\n250-evil.example\r\n250 AUTH PLAIN"


class Refusing(Hooks):
    def start_tls(self):
        return "454 4.7.0 not now"


class Stalling:
    """In place of a TLS context: says 220, and then nothing until it is let go."""

    def __init__(self):
        self.begun, self.go = threading.Event(), threading.Event()

    def wrap_socket(self, connection, server_side):
        self.begun.set()
        self.go.wait(PATIENCE)
        raise OSError("no handshake")


class Outward(Case):
    def start(self, sink, **backend):
        self.received = sink
        self.daemon_ = self.daemon(sink, grouping={"window": "0s"}, backend={"servers": [f"localhost:{sink.port}"], **backend})
        message = Message(1, to=("anna", "bert"))
        self.message = message
        recipient, data = copies(message)[0]
        self.daemon_.send(message.sender, message.everyone, data)
        return message

    def arrives(self):
        self.received.wait(1)
        self.assertEqual(self.received.recipients_of(self.message.id), sorted(self.message.everyone))
        self.assertEqual(len(self.received.of(self.message.id)), 1)
        return self.received.delivered[0]

    def stays(self, words):
        """In the queue, with the reason for whoever asks."""
        until(lambda: words in self.daemon_.ctl("status") + self.daemon_.ctl("why", self.message.id), what=words)
        self.assertIn(words, self.daemon_.log())
        self.assertEqual(self.received.delivered, [])
        self.assertEqual([each["state"] for each in self.daemon_.json("list")], ["queued"])

    def password(self, text="pw"):
        path = self.directory / "password"
        path.write_text(text + "\n")
        return str(path)


class Tls(Outward):
    def setUp(self):
        super().setUp()
        self.certificate = Certificate(self.directory, names="DNS:localhost")

    def test_opportunistic(self):
        self.start(self.sink(tls=serving(self.certificate)), tls="opportunistic")
        self.assertTrue(self.arrives().secure)

    def test_opportunistic_where_there_is_none(self):
        self.start(self.sink(), tls="opportunistic")
        self.assertFalse(self.arrives().secure)

    def test_opportunistic_where_it_is_refused(self):
        self.start(self.sink(Refusing(), tls=serving(self.certificate)), tls="opportunistic")
        self.assertFalse(self.arrives().secure)

    def test_opportunistic_goes_on_in_plain_text_where_the_handshake_fails(self):
        old = serving(self.certificate)
        old.set_ciphers("ALL:@SECLEVEL=0")
        old.minimum_version = ssl.TLSVersion.TLSv1_2
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        self.start(self.sink(tls=old), tls="opportunistic", tls_min_version="1.3")
        self.assertFalse(self.arrives().secure)
        self.assertIn("tls_failed", self.daemon_.log())

    def test_required(self):
        self.start(self.sink(tls=serving(self.certificate)), tls="required")
        self.assertTrue(self.arrives().secure)

    def test_required_where_there_is_none(self):
        self.start(self.sink(), tls="required")
        self.stays("the server does not offer STARTTLS")

    def test_required_where_the_handshake_fails(self):
        self.start(self.sink(NoHandshake(), tls=serving(self.certificate)), tls="required")
        until(lambda: "server_resting" in self.daemon_.log(), what="a rest")
        self.assertEqual(self.received.delivered, [])

    def test_a_stop_within_a_handshake_is_no_failure_of_it(self):
        stalling = Stalling()
        self.addCleanup(stalling.go.set)
        self.start(self.sink(tls=stalling), tls="opportunistic")
        self.assertTrue(stalling.begun.wait(PATIENCE))
        self.assertEqual(self.daemon_.stop(), 0)
        self.assertNotIn("tls_failed", self.daemon_.log())

    def test_an_end_of_TLS_at_every_step(self):
        """The server ends it where each reply is due: nothing is lost, and what was not answered is sent again."""

        class Ending(Hooks):
            def __init__(self, step, how):
                def end(*_):
                    setattr(self, step, lambda *_: None)
                    return how

                setattr(self, step, end)

        for step in ("ehlo", "mail", "rcpt", "data", "dot"):
            for how in (CLOSE, NOTIFY, RESET):
                with self.subTest(step, how=how):
                    self.start(self.sink(Ending(step, how), tls=serving(self.certificate)), tls="required")
                    self.received.wait_for(lambda: self.received.recipients_of(self.message.id) == self.message.everyone, PATIENCE, "the message")
                    self.daemon_.stop()
                    self.assert_sound(self.daemon_)

    def test_P174_what_is_put_behind_the_220_is_not_taken(self):
        self.start(self.sink(Injecting(), tls=serving(self.certificate)), tls="required")
        until(lambda: "server_resting" in self.daemon_.log(), what="a rest")
        self.assertEqual(self.received.delivered, [])

    def test_P180_verified(self):
        self.start(self.sink(tls=serving(self.certificate)), tls="verify", ca_file=str(self.certificate.certificate))
        self.assertTrue(self.arrives().secure)

    def test_P180_nobody_we_trust(self):
        self.start(self.sink(tls=serving(self.certificate)), tls="verify")
        self.stays("certificate")

    def test_P180_another_name(self):
        other = Certificate(self.directory, "other", names="DNS:elsewhere.example")
        self.start(self.sink(tls=serving(other)), tls="verify", ca_file=str(other.certificate))
        self.stays("hostname mismatch")


class Auth(Outward):
    def setUp(self):
        super().setUp()
        self.tls = serving(Certificate(self.directory, names="DNS:localhost"))

    def test_plain_and_login(self):
        for users in ({"onecopy": "pw"}, {"onecopy": "pw", "LOGIN": ""}):
            sink = self.sink(tls=self.tls, users=users)
            self.start(sink, tls="required", username="onecopy", password_file=self.password())
            self.assertEqual(self.arrives().user, "onecopy")

    def test_a_wrong_password_fails_no_mail_and_is_in_no_log(self):
        sink = self.sink(tls=self.tls, users={"onecopy": "another"})
        self.start(sink, tls="required", username="onecopy", password_file=self.password("s3cret"))
        self.stays("535 5.7.8 wrong")
        self.assertNotIn("s3cret", self.daemon_.log())

    def test_none_where_one_is_asked_for(self):
        self.start(self.sink(tls=self.tls, users={"onecopy": "pw"}), tls="required")
        self.stays("530 5.7.0 authentication required")


class Lmtp(Outward):
    def test_a_verdict_for_each(self):
        self.start(self.sink(lmtp=True), protocol="lmtp", tls="none")
        self.arrives()

    def test_a_server_of_SMTP(self):
        self.start(self.sink(), protocol="lmtp", tls="none")
        self.stays("503 5.5.1 not now")


if __name__ == "__main__":
    unittest.main()
