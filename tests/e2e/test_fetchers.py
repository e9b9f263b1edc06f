"""fetchmail and getmail as people set them up, before onecopyd: SMTP, LMTP, AUTH, TLS to the mailbox, and an end in mid-fetch.

fetchmail has no TLS towards the server that it hands mail to; where that is asked for, the mail stays in the mailbox.
"""

import re
import shutil
import subprocess
import unittest

from harness import TOP, Case, Certificate, until
from mailhosts import Dovecot, Fetchmail, Getmail, dovecot_missing, missing
from mailservers import DovecotLmtp
from messages import Message, at, content_of, copies, header_of, interleaved
from ports import free_port

MESSAGES = (
    Message(1, to=("anna", "bert"), cc=("carl",), blind=("dora",)),
    Message(2, to=("bert",), kind="eight_bit"),
    Message(3, to=("anna", "bert"), blind=("emil",), kind="empty"),
)
MANY = (*MESSAGES, *(Message(number, to=("anna", "bert")) for number in range(4, 24)))  # so that an end in the middle is one

NO_FETCHMAIL = dovecot_missing("pop3") or ("not installed: fetchmail" if missing("fetchmail") else "")
NO_GETMAIL = dovecot_missing("pop3") or ("not installed: getmail6" if missing("getmail") else "")


class Fetching(Case):
    messages = MESSAGES
    tls_to_the_mailbox = False

    def setUp(self):
        super().setUp()
        self.directory.chmod(0o755)
        self.certificate = Certificate(self.directory, "pop", names="DNS:localhost") if self.tls_to_the_mailbox else None
        self.pop3 = Dovecot(self.directory / "dovecot", self.certificate)
        self.addCleanup(self.pop3.close)
        self.copies = [data for _, data in interleaved(self.messages)]
        self.pop3.fill(self.copies)
        self.received = self.sink()
        self.to = free_port()

    def onecopy(self, listen=None, recipients=None, **sections):
        entry = {"address": self.to if str(self.to).startswith("unix:") else f"127.0.0.1:{self.to}", **(listen or {})}
        to = {"local_domains": ["corp.example"], "recover_from": ["Delivered-To"], **(recipients or {})}
        self.onecopyd = self.daemon(self.received, listen=[entry], grouping={"window": "1h"}, recipients=to, **sections)
        self.addCleanup(self.assert_sound, self.onecopyd)
        return self.onecopyd

    def one_each(self):
        """What was fetched leaves now: one transaction for each message, with everyone in it, and the blind stay blind."""
        self.onecopyd.ctl("release", "--all")
        self.received.wait(len(self.messages))
        for message in self.messages:
            with self.subTest(message.id):
                mails = self.received.of(message.id)
                self.assertEqual([sorted(each.recipients) for each in mails], [sorted(message.everyone)])
                self.assertEqual(content_of(mails[0].message), content_of(message.text()))
                for user in message.blind:
                    self.assertNotIn(at(user).encode(), header_of(mails[0].message))
        self.nothing_more()

    def nothing_more(self):
        self.onecopyd.ctl("release", "--all")
        until(lambda: not self.onecopyd.json("list", "held") and not self.onecopyd.json("list", "queued"), what="an empty ledger")
        self.assertEqual(len(self.received.delivered), len(self.messages))


class WithFetchmail(Fetching):
    fetchers = 0

    def fetchmail(self, **options):
        self.fetchers += 1
        to = str(self.to).removeprefix("unix:")
        return Fetchmail(self.directory / f"fetchmail{self.fetchers}", self.pop3.port, to, **options)

    def fetch(self, status=0, left=0, **options):
        fetchmail = self.fetchmail(**options)
        self.assertEqual(fetchmail.run(), status, fetchmail.output)
        self.assertEqual(self.pop3.count(), left, fetchmail.output)
        return fetchmail.output


@unittest.skipIf(NO_FETCHMAIL, NO_FETCHMAIL)
class Deliveries(WithFetchmail):
    """The ways in which fetchmail hands mail on."""

    def test_lmtp(self):
        self.onecopy({"protocol": "lmtp"})
        self.assertIn("LMTP> LHLO", self.fetch(options="fetchall sslproto '' lmtp"))
        self.one_each()

    def test_lmtp_over_a_unix_socket(self):
        self.to = f"unix:{self.directory}/lmtp"
        self.onecopy({"protocol": "lmtp"})
        self.fetch(options="fetchall sslproto '' lmtp")
        self.one_each()

    def test_smtp_with_a_new_session_for_every_message(self):
        self.onecopy()
        self.fetch(options="fetchall sslproto '' batchlimit 1 fetchlimit 100")
        self.one_each()

    def test_eight_bit_mail_that_fetchmail_has_declared_so(self):
        self.onecopy()
        self.fetch(options="fetchall sslproto '' pass8bits")
        self.one_each()


@unittest.skipIf(NO_FETCHMAIL, NO_FETCHMAIL)
class Refusals(WithFetchmail):
    """Where onecopyd will not have it, the mail stays in the mailbox until somebody has mended the setup."""

    def asking(self):
        hashed = subprocess.run(["openssl", "passwd", "-6", "s3cret"], capture_output=True, text=True, check=True).stdout
        (self.directory / "users").write_text(f"fetcher:{hashed}")
        return self.onecopy({"auth": "required"}, users=str(self.directory / "users"))

    def test_auth(self):
        self.asking()
        self.assertIn("530 5.7.0", self.fetch(left=len(self.copies)))
        self.assertIn("535 5.7.8", self.fetch(left=len(self.copies), server="esmtpname fetcher esmtppassword wr0ng"))
        self.fetch(server="esmtpname fetcher esmtppassword s3cret")
        self.one_each()
        self.assertIn("with ESMTPA id", self.received.delivered[0].header("Received")[0])

    def test_tls(self):
        self.onecopy({"tls": "required"}, tls=Certificate(self.directory).settings)
        self.assertIn("530 5.7.0", self.fetch(left=len(self.copies)))
        self.assertEqual(self.onecopyd.json("list", "all"), [])

    def test_a_client_whom_nobody_expects(self):
        self.onecopy({"allow": ["192.0.2.0/24"]})
        self.assertIn("421 4.7.0", self.fetch(status=10, left=len(self.copies)))

    @unittest.skipIf(shutil.disk_usage("/tmp").free >= 1 << 40, "there is more space than min_free can ask for")
    def test_a_full_disk(self):
        self.onecopy(spool={"min_free": "1024G"})
        self.assertIn("452 4.3.1", self.fetch(left=len(self.copies)))


@unittest.skipIf(NO_FETCHMAIL, NO_FETCHMAIL)
class Again(WithFetchmail):
    """The same mail comes more than once."""

    def test_a_mailbox_whose_mail_is_kept(self):
        self.onecopy()
        self.fetch(left=len(self.copies), options="fetchall keep sslproto ''")
        self.one_each()
        self.fetch(left=len(self.copies), options="fetchall keep sslproto ''")
        self.assertEqual(self.onecopyd.json("list", "held"), [])
        self.nothing_more()
        counts = self.onecopyd.json("status")
        named = sum(len(copies(each)) * len(each.visible) + len(each.blind) for each in self.messages)
        self.assertEqual(counts.get("counts", counts)["suppressed"], named)


@unittest.skipIf(NO_FETCHMAIL, NO_FETCHMAIL)
class Killed(WithFetchmail):
    """In mid-fetch: some copies are taken, and none is deleted from the mailbox, which happens at a QUIT alone."""

    messages = MANY

    def begin(self):
        """A fetchmail that has seen its third copy taken."""
        fetchmail = self.fetchmail().start()
        self.addCleanup(fetchmail.stdout.close)
        while b"DELE 3" not in (line := fetchmail.stdout.readline()):
            self.assertTrue(line)
        return fetchmail

    def test_fetchmail(self):
        self.onecopy()
        fetchmail = self.begin()
        fetchmail.kill()
        fetchmail.wait()
        until(lambda: "disconnect" in self.onecopyd.log(), what="the end of the session")
        self.assertEqual(self.pop3.count(), len(self.copies))
        self.fetch()
        self.one_each()

    def test_onecopyd(self):
        self.onecopy()
        fetchmail = self.begin()
        self.onecopyd.kill()
        fetchmail.stdout.read()
        self.assertNotEqual(fetchmail.wait(), 0)
        self.assertGreater(self.pop3.count(), 0)
        self.onecopyd.start()
        self.fetch()
        self.one_each()


@unittest.skipIf(NO_FETCHMAIL, NO_FETCHMAIL)
class TlsToTheMailbox(WithFetchmail):
    """fetchmail checks the certificate of the POP3 server; towards onecopyd it speaks plain text on the same host."""

    tls_to_the_mailbox = True

    def trusting(self, more=""):
        return f"fetchall sslproto 'TLS1.2+' sslcertck sslcommonname localhost sslcertfile '{self.certificate.certificate}' {more}"

    def test_stls(self):
        self.onecopy()
        self.assertIn("POP3> STLS", self.fetch(options=self.trusting()))
        self.one_each()

    def test_pop3s(self):
        self.onecopy({"protocol": "lmtp"})
        self.pop3.port = self.pop3.tls_port
        self.assertNotIn("STLS", self.fetch(options=self.trusting("ssl lmtp")))
        self.one_each()


@unittest.skipIf(NO_GETMAIL, NO_GETMAIL)
class WithGetmail(Fetching):
    """All its mail is for one address; whose copy it is stands in the message."""

    def getmail(self, name="getmail", **options):
        getmail = Getmail(self.directory / name, self.pop3.port, self.to, at("postmaster"), **options)
        self.assertEqual(getmail.run(), 0, getmail.output)
        return getmail.output

    def test_lmtp(self):
        self.onecopy({"protocol": "lmtp"}, {"fallback": [at("postmaster")]})
        self.getmail()
        self.assertEqual(self.pop3.count(), 0)
        self.one_each()

    def test_a_mailbox_whose_mail_is_kept(self):
        self.onecopy({"protocol": "lmtp"}, {"fallback": [at("postmaster")]})
        self.getmail(options="read_all = true\ndelete = false")
        self.one_each()
        self.getmail("again", options="read_all = true\ndelete = false")
        self.nothing_more()

    @unittest.skipIf(dovecot_missing("lmtp"), dovecot_missing("lmtp"))
    def test_the_example_for_dovecot(self):
        users = ("anna", "bert", "carl", "dora", "emil")
        dovecot = DovecotLmtp(self.directory / "backend", users)
        self.addCleanup(dovecot.close)
        daemon = self.daemon(start=False)
        text = (TOP / "conf/dovecot.yaml").read_text(encoding="utf-8")
        for there, here in (("127.0.0.1:2524\n", f"127.0.0.1:{self.to}\n"), ('"127.0.0.1:24"', f'"127.0.0.1:{dovecot.port}"')):
            self.assertIn(there, text)
            text = text.replace(there, here)
        daemon.file.write_text(f"{text}\nspool: {{directory: {daemon.spool}, min_free: 1M}}\ncontrol: {{socket: {daemon.control}}}\n")
        daemon.start()
        self.getmail()
        daemon.ctl("release", "--all")
        for user in users:
            expected = sorted(message.id for message in self.messages if at(user) in message.everyone)
            until(lambda user=user, expected=expected: len(dovecot.mailbox(user)) == len(expected), what=f"the mail of {user}")
            found = [re.search(rb"^Message-ID: (.*)$", mail, re.MULTILINE)[1].decode() for mail in dovecot.mailbox(user)]
            self.assertEqual(sorted(found), expected)
        until(lambda: not daemon.json("list"), what="an empty ledger")


if __name__ == "__main__":
    unittest.main()
