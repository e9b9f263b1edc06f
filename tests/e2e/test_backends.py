"""Real mail servers behind onecopyd: Postfix, Exim, and Dovecot by LMTP, with TLS, AUTH, and a mind of their own.

What counts is what stands in the mailboxes, and what the servers' own logs say of how it came there.
"""

import os
import re
import signal
import unittest

from harness import Case, Certificate, offer, until
from mailhosts import Postfix, dovecot_missing, missing, postfix_missing
from mailservers import LOGIN, SECRET, DovecotLmtp, Exim, exim_missing
from messages import Message, at, content_of, copies

USERS = ("anna", "bert", "carl")
MAIL = Message(1, to=("anna", "bert"), cc=("carl",))
NO_DOVECOT = dovecot_missing("lmtp")
NO_POSTFIX = postfix_missing()


class Backend(Case):
    def setUp(self):
        super().setUp()
        self.directory.chmod(0o755)

    def certificate(self, name="localhost", issuer=None):
        return Certificate(self.directory, name, names=f"DNS:{name}", issuer=issuer)

    def authority(self, name="authority"):
        return Certificate(self.directory, name, names=f"DNS:{name}")

    def password(self, text=SECRET):
        path = self.directory / "password"
        path.write_text(text + "\n")
        return str(path)

    def onecopy(self, server, changes=None, **backend):
        """In front of this server; what is sent waits for release()."""
        self.server = server
        self.settings = {"servers": [f"localhost:{server.port}"], "tls": "none", "max_recipients": 1000, **backend}
        self.changes = {"grouping": {"window": "1h"}, **(changes or {})}
        self.onecopyd = self.daemon(backend=self.settings, **self.changes)
        self.addCleanup(self.assert_sound, self.onecopyd)
        return self.onecopyd

    def set_up_anew(self, **backend):
        """Other words about the server, by a reload."""
        mark = len(self.onecopyd.log())
        self.settings = {**self.settings, **backend}
        self.onecopyd.configure({"backend": self.settings, **self.changes})
        self.onecopyd.signal(signal.SIGHUP)
        self.onecopyd.wait_log("reloaded", mark)

    def send(self, *messages):
        """The copies of each as a fetcher has them: everyone whom the header names gets every copy."""
        with self.onecopyd.client() as client:
            client.ehlo()
            for message in messages:
                for recipient, data in copies(message):
                    offer(client, message.sender, sorted({*message.visible, recipient}), data)
        self.onecopyd.ctl("release", "--all")

    def arrives(self, message=MAIL, users=None):
        """One copy for each, as its author wrote it; gives back the first one."""
        users = users or [*message.to, *message.cc, *message.blind]
        until(lambda: all(self.held_by(user, message) for user in users), what=f"{message.id} in the mailboxes")
        for user in users:
            mails = self.held_by(user, message)
            self.assertEqual(len(mails), 1, user)
            self.assertEqual(content_of(mails[0]), content_of(message.text()), user)
        return self.held_by(users[0], message)[0].decode("latin-1")

    def held_by(self, user, message):
        mails = (each.replace(b"\n", b"\r\n") for each in self.server.mailbox(user))
        return [each for each in mails if message.id.encode() in each]

    def states(self):
        """Each recipient's state and the server's last word, of the one group there is."""
        groups = self.onecopyd.json("list", "all")
        self.assertEqual(len(groups), 1)
        return {each["address"].partition("@")[0]: each for each in groups[0]["recipients"]}

    def state_of(self, *users):
        return [self.states()[user]["state"] for user in users]

    def stays(self, *words, message=MAIL):
        """In the queue, and whoever asks is told why; no user has it."""
        for each in words:
            until(lambda each=each: each in self.onecopyd.ctl("why", message.id), what=f"'{each}' in the answer to `why`")
        self.assertEqual([each["state"] for each in self.onecopyd.json("list")], ["queued"])
        self.assertEqual([user for user in USERS if self.held_by(user, message)], [])


class WithPostfix(Backend):
    def postfix(self, settings="", users=USERS, certificate=None, mechanisms=None):
        """With a certificate it offers STARTTLS, and with mechanisms AUTH under TLS, about which it asks a Dovecot."""
        tls = f"""
smtpd_tls_security_level = may
smtpd_tls_chain_files = {certificate.key}, {certificate.certificate}
smtpd_tls_received_header = yes
""" if certificate else ""
        postfix = Postfix(self.directory / "postfix", users, tls + self.sasl(mechanisms) + settings)
        self.addCleanup(postfix.close)
        return postfix

    def sasl(self, mechanisms):
        if not mechanisms:
            return ""
        dovecot = DovecotLmtp(self.directory / "dovecot")
        self.addCleanup(dovecot.close)
        return f"""
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = inet:127.0.0.1:{dovecot.auth_port}
smtpd_sasl_mechanism_filter = {mechanisms}
smtpd_sasl_authenticated_header = yes
smtpd_tls_auth_only = yes
"""

    def ended_session(self):
        """How many of each command the server counted in a session that brought mail."""
        found = until(lambda: re.findall(r"disconnect from .*(ehlo=.* mail=.*)", self.server.said()), what="the end of a session")
        return dict(each.split("=") for each in found[-1].split())


@unittest.skipIf(NO_POSTFIX, NO_POSTFIX)
class PostfixTls(WithPostfix):
    def setUp(self):
        super().setUp()
        self.trusted = self.authority()

    def secured(self):
        return self.postfix(certificate=self.certificate(issuer=self.trusted))

    def test_opportunistic(self):
        self.onecopy(self.secured(), tls="opportunistic")
        self.send(MAIL)
        self.assertIn("using TLSv1.3", self.arrives())

    def test_opportunistic_where_it_speaks_old_versions_alone(self):
        old = self.certificate(issuer=self.trusted)
        settings = "smtpd_tls_protocols = TLSv1, TLSv1.1\nsmtpd_tls_ciphers = low\ntls_low_cipherlist = ALL:@SECLEVEL=0\n"
        self.onecopy(self.postfix(settings, certificate=old), tls="opportunistic")
        self.send(MAIL)
        self.assertNotIn("using TLS", self.arrives())
        self.assertIn("tls_failed", self.onecopyd.log())
        self.set_up_anew(tls="required", tls_min_version="1.0")
        self.send(Message(2))
        self.assertIn("using TLSv1.1", self.arrives(Message(2)))

    def test_required_where_there_is_none(self):
        self.onecopy(self.postfix(), tls="required")
        self.send(MAIL)
        self.stays("the server does not offer STARTTLS")

    def test_none_where_it_is_asked_for(self):
        encrypting = self.postfix("smtpd_tls_security_level = encrypt\n", certificate=self.certificate(issuer=self.trusted))
        self.onecopy(encrypting, tls="none")
        self.send(MAIL)
        self.stays("530 5.7.0 Must issue a STARTTLS command first")
        self.set_up_anew(tls="required")
        self.assertIn("using TLSv1.3", self.arrives())

    def test_verified(self):
        self.onecopy(self.secured(), tls="verify", ca_file=str(self.trusted.certificate))
        self.send(MAIL)
        self.assertIn("using TLSv1.3", self.arrives())

    def test_an_authority_that_nobody_trusts_until_it_is_named(self):
        self.onecopy(self.secured(), tls="verify", ca_file=str(self.authority("another").certificate))
        self.send(MAIL)
        self.stays("certificate", "unable to get local issuer certificate")
        self.assertIn("unable to get local issuer certificate", self.onecopyd.ctl("status"))
        self.set_up_anew(ca_file=str(self.trusted.certificate))
        self.arrives()

    @unittest.skipIf(missing("faketime"), "not installed: faketime")
    def test_a_certificate_that_is_out_of_date(self):
        expired = Certificate(self.directory, "localhost", names="DNS:localhost", issuer=self.trusted, made="-3d")
        self.onecopy(self.postfix(certificate=expired), tls="verify", ca_file=str(self.trusted.certificate))
        self.send(MAIL)
        self.stays("certificate has expired")

    def test_another_name(self):
        other = self.postfix(certificate=self.certificate("mail.corp.example", self.trusted))
        self.onecopy(other, tls="verify", ca_file=str(self.trusted.certificate))
        self.send(MAIL)
        self.stays("hostname mismatch")


@unittest.skipIf(NO_POSTFIX or NO_DOVECOT, NO_POSTFIX or NO_DOVECOT)
class PostfixAuth(WithPostfix):
    def asking(self, mechanisms="plain, login"):
        settings = "mynetworks =\nsmtpd_error_sleep_time = 0\nsmtpd_sender_restrictions = permit_sasl_authenticated, reject\n"
        return self.postfix(settings, certificate=self.certificate(), mechanisms=mechanisms)

    def logged_in(self, text=SECRET):
        return {"tls": "required", "username": LOGIN, "password_file": self.password(text)}

    def test_plain(self):
        self.onecopy(self.asking(), **self.logged_in())
        self.send(MAIL)
        self.assertIn(f"(Authenticated sender: {LOGIN})", self.arrives())
        self.assertIn("sasl_method=PLAIN", self.server.said())

    def test_login_where_that_is_all_there_is(self):
        self.onecopy(self.asking("login"), **self.logged_in())
        self.send(MAIL)
        self.assertIn(f"(Authenticated sender: {LOGIN})", self.arrives())
        self.assertIn("sasl_method=LOGIN", self.server.said())

    def test_a_wrong_password_until_it_is_mended(self):
        self.onecopy(self.asking(), **self.logged_in("wr0ng"))
        self.send(MAIL)
        self.stays("535 5.7.8 Error: authentication failed")
        self.assertNotIn("wr0ng", self.onecopyd.log())
        self.password(SECRET)
        self.set_up_anew()
        self.arrives()
        self.assertNotIn(SECRET, self.onecopyd.log())


@unittest.skipIf(NO_POSTFIX, NO_POSTFIX)
class PostfixRecipients(WithPostfix):
    """One group, and a server that has its own view of each recipient."""

    def choosy(self, verdicts, settings=""):
        self.decide(verdicts)
        table = f"smtpd_recipient_restrictions = check_recipient_access texthash:{self.directory}/verdicts\n"
        return self.postfix(table + "smtpd_error_sleep_time = 0\n" + settings)

    def decide(self, verdicts):
        table = self.directory / "verdicts"
        table.write_text("".join(f"{at(user)} {verdict}\n" for user, verdict in verdicts.items()))
        os.utime(table, (0, 0))  # Postfix waits until it is two seconds old

    def test_refused_deferred_and_accepted_in_one_group(self):
        server = self.choosy({"bert": "550 5.7.1 not bert", "carl": "450 4.2.0 carl is away"})
        self.onecopy(server, messages_per_connection=1)
        self.send(MAIL)
        self.arrives(users=["anna"])
        until(lambda: self.state_of("anna", "bert", "carl") == ["delivered", "failed", "pending"], what="a state for each")
        told = self.onecopyd.ctl("why", MAIL.id)
        self.assertIn("550 5.7.1 <bert@corp.example>: Recipient address rejected: not bert", told)
        self.assertIn("450 4.2.0 <carl@corp.example>: Recipient address rejected: carl is away", told)
        self.decide({})
        server.reload()
        self.arrives(users=["anna", "carl"])
        self.assertEqual(self.held_by("bert", MAIL), [])

    def test_a_server_that_takes_few_recipients_at_once(self):
        self.onecopy(self.postfix("smtpd_recipient_limit = 2\n"), {"delivery": {"retry": ["1h"]}})
        self.send(MAIL)
        self.arrives()
        self.assertNotIn("server_resting", self.onecopyd.log())

    def test_a_server_that_loses_patience_over_refused_recipients(self):
        many = [f"user{number}" for number in range(5)]
        server = self.choosy(dict.fromkeys(many, "550 5.1.1 unknown"), "smtpd_hard_error_limit = 3\n")
        self.onecopy(server)
        message = Message(1, to=("anna",), cc=tuple(many))
        self.send(message)
        self.arrives(message, users=["anna"])
        until(lambda: set(self.state_of(*many)) == {"failed"}, what="the refusal of the others")

    def test_a_message_that_is_too_large_fails_and_holds_up_nothing(self):
        self.onecopy(self.postfix("message_size_limit = 50000\n"))
        large = Message(2, kind="large")
        self.send(large, MAIL)
        self.arrives()
        until(lambda: "552 5.3.4" in self.onecopyd.ctl("why", large.id), what="the refusal")
        self.assertEqual(self.held_by("anna", large), [])


@unittest.skipIf(NO_POSTFIX, NO_POSTFIX)
class PostfixExtensions(WithPostfix):
    def test_content_comes_unchanged_with_chunks_and_without(self):
        messages = [Message(number, kind=kind) for number, kind in enumerate(("plain", "eight_bit", "empty", "large"), 1)]
        for keyword, verb in (("", "bdat"), ("smtpd_discard_ehlo_keywords = chunking\n", "data")):
            with self.subTest(verb):
                self.onecopy(self.postfix(keyword))
                self.send(*messages)
                for message in messages:
                    self.arrives(message)
                self.onecopyd.stop()
                self.assertIn(verb, self.ended_session())
                self.server.close()
                (self.directory / "postfix").rename(self.directory / verb)

    def test_smtputf8(self):
        server = self.postfix("smtputf8_enable = yes\n", users=(*USERS, "jörg"))
        self.onecopy(server, {"grouping": {"window": "0s"}})
        self.send(MAIL)  # the daemon offers what it has heard the server offer
        self.arrives()
        data = "From: Jürgen <jürgen@far.example>\r\nSubject: grüße\r\nMessage-ID: <utf8@far.example>\r\n\r\nhallo\r\n".encode()
        with self.onecopyd.client() as client:
            client.ehlo()
            self.assertTrue(client.has_extn("smtputf8"))
            client.command_encoding = "utf-8"
            client.sendmail("jürgen@far.example", [at("jörg"), at("anna")], data, ["SMTPUTF8", "BODY=8BITMIME"])
        for user in ("jörg", "anna"):
            until(lambda user=user: b"<utf8@far.example>" in b"".join(server.mailbox(user)), what=f"mail for {user}")
        self.assertIn("(Postfix) with UTF8SMTP id", b"".join(server.mailbox("jörg")).decode())

    def test_what_was_asked_about_delivery_is_answered_by_the_server(self):
        self.onecopy(self.postfix())
        author = at("bert")
        data = copies(MAIL)[0][1]
        with self.onecopyd.client() as client:
            client.ehlo()
            asked = ["NOTIFY=SUCCESS", "ORCPT=rfc822;anna+2Bx@elsewhere.example"]
            client.sendmail(author, [at("anna")], data, ["RET=HDRS", "ENVID=an+2Bid"], asked)
        self.onecopyd.ctl("release", "--all")
        self.arrives(users=["anna"])
        notice = b"".join(until(lambda: self.server.mailbox("bert"), what="a notice")).decode()
        self.assertIn("Successful Mail Delivery Report", notice)
        self.assertIn("Original-Envelope-Id: an+id", notice)
        self.assertIn("Original-Recipient: rfc822;anna+x@elsewhere.example", notice)
        self.assertNotIn("Hello, this is message", notice)

    def test_a_session_that_the_server_ends_while_it_is_idle_is_no_fault(self):
        self.onecopy(self.postfix("smtpd_timeout = 1s\n"))
        for message in (Message(1), Message(2)):
            self.send(message)
            self.arrives(message)
            until(lambda: self.server.said().count("timeout after") == message.number, what="an end to the session")
        self.assertNotIn("server_resting", self.onecopyd.log())

    def test_one_session_at_a_time_is_all_that_it_takes(self):
        limited = "smtpd_client_connection_count_limit = 1\nsmtpd_client_event_limit_exceptions =\n"
        self.onecopy(self.postfix(limited), connections=4)
        messages = [Message(number) for number in range(1, 9)]
        self.send(*messages)
        for message in messages:
            self.arrives(message)
        self.assertNotIn("server_resting", self.onecopyd.log())


@unittest.skipIf(NO_DOVECOT, NO_DOVECOT)
class Lmtp(Backend):
    def dovecot(self, **options):
        dovecot = DovecotLmtp(self.directory / "dovecot", ("anna", "carl"), **options)
        self.addCleanup(dovecot.close)
        return dovecot

    def test_a_verdict_for_each_before_the_content_and_after(self):
        self.onecopy(self.dovecot(full=("dora",)), protocol="lmtp")
        message = Message(1, to=("anna", "bert"), cc=("carl", "dora"))
        self.send(message)
        self.arrives(message, users=["anna", "carl"])
        ends = ["delivered", "failed", "delivered", "failed"]
        until(lambda: self.state_of("anna", "bert", "carl", "dora") == ends, what="a state for each")
        told = self.onecopyd.ctl("why", message.id)
        self.assertIn("550 5.1.1 <bert@corp.example> User doesn't exist", told)
        self.assertIn("552 5.2.2 <dora@corp.example> Quota exceeded", told)

    def test_content_comes_unchanged(self):
        self.onecopy(self.dovecot(), protocol="lmtp")
        messages = [Message(number, to=("anna",), kind=kind) for number, kind in enumerate(("plain", "eight_bit", "empty", "large"), 1)]
        self.send(*messages)
        for message in messages:
            self.arrives(message)

    def test_under_tls_that_is_verified(self):
        trusted = self.authority()
        message = Message(1, to=("anna", "carl"))
        dovecot = self.dovecot(certificate=self.certificate(issuer=trusted))
        self.onecopy(dovecot, protocol="lmtp", tls="verify", ca_file=str(trusted.certificate))
        self.send(message)
        self.assertIn("with LMTPS", self.arrives(message))


@unittest.skipIf(exim_missing(), exim_missing())
class WithExim(Backend):
    """Another maker's SMTP, and with GnuTLS another maker's TLS; it ends a session whose client speaks out of turn."""

    def exim(self, certificate, **options):
        exim = Exim(self.directory / "exim", (*USERS, "refused", "later"), certificate, **options)
        self.addCleanup(exim.close)
        return exim

    def logged_in(self, text=SECRET):
        return {"tls": "required", "username": LOGIN, "password_file": self.password(text)}

    def test_plain_and_login_and_content_unchanged(self):
        messages = [Message(number, kind=kind) for number, kind in enumerate(("plain", "eight_bit", "empty", "large"), 1)]
        for mechanism in ("PLAIN", "LOGIN"):
            with self.subTest(mechanism):
                self.onecopy(self.exim(self.certificate(), mechanisms=(mechanism,)), **self.logged_in())
                self.send(*messages)
                for message in messages:
                    self.assertIn("with esmtpsa", self.arrives(message))
                self.assertIn(f"A={mechanism}:{LOGIN}", self.server.said())
                self.assertNotIn("synchronization", self.server.said())
                self.server.close()
                (self.directory / "exim").rename(self.directory / mechanism)

    def test_verified(self):
        trusted = self.authority()
        self.onecopy(self.exim(self.certificate(issuer=trusted)), **self.logged_in(), ca_file=str(self.authority("another").certificate))
        self.set_up_anew(tls="verify")
        self.send(MAIL)
        self.stays("unable to get local issuer certificate")
        self.set_up_anew(ca_file=str(trusted.certificate))
        self.arrives()

    def test_a_wrong_password(self):
        self.onecopy(self.exim(self.certificate()), **self.logged_in("wr0ng"))
        self.send(MAIL)
        self.stays("535 Incorrect authentication data")

    def test_replies_without_enhanced_codes(self):
        self.onecopy(self.exim(self.certificate()), {"delivery": {"retry": ["1h"]}}, **self.logged_in())
        message = Message(1, to=("anna", "refused", "later"))
        self.send(message)
        self.arrives(message, users=["anna"])
        until(lambda: self.state_of("anna", "refused", "later") == ["delivered", "failed", "pending"], what="a state for each")
        told = self.onecopyd.ctl("why", message.id)
        self.assertIn("550 not him", told)
        self.assertIn("451 not now", told)


if __name__ == "__main__":
    unittest.main()
