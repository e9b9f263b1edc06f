"""The real neighbours of onecopy: a Dovecot POP3 catch-all mailbox, fetchmail and getmail, and a Postfix with mailboxes."""

import contextlib
import getpass
import grp
import os
import pathlib
import shutil
import signal
import socket
import subprocess

from harness import PATIENCE, until
from messages import DOMAIN
from ports import free_port

NOBODY = 65534  # owner of mailboxes where the test runs as root: neither server delivers as root
DOVECOT = "/usr/sbin/dovecot"
USER_PART = "USER_PART"
USER = "catchall"
PASSWORD = "secret"


def missing(*programs):
    """Which of the programs this machine does not have (they stand in sbin, where an ordinary PATH does not look)."""
    path = os.environ["PATH"] + ":/usr/sbin:/usr/lib/postfix/sbin"
    return [each for each in programs if not shutil.which(each, path=path)]


def postfix_missing():
    """A word where there is none that could run."""
    if missing("master"):
        return "not installed: postfix"
    return "" if os.geteuid() == 0 else "Postfix needs root"


def dovecot_missing(protocol):
    """A word where there is none, or none that speaks this."""
    return "" if pathlib.Path(f"/usr/lib/dovecot/{protocol}").exists() else f"not installed: dovecot-{protocol}d"


def _greets(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        return connection.recv(1)
    return b""


class Server:
    """A server program in the foreground, with a directory of its own; up once it greets."""

    def __init__(self, directory, command, **options):
        self.directory = pathlib.Path(directory)
        self._output = open(self.directory / "output", "wb")
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=self._output, stderr=self._output, start_new_session=True, **options
        )
        try:
            until(lambda: self._process.poll() is not None or _greets(self.port), what=f"greeting of {command[0]}")
            assert self._process.poll() is None
        except BaseException:
            self.close()
            raise RuntimeError(self.said()) from None

    def said(self):
        logs = [self.directory / "output", self.directory / "log"]
        return "\n".join(each.read_text(errors="replace") for each in logs if each.exists())

    def close(self):
        """The whole family at once: a master that has to end its children first takes a second for it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._output.close()


def dovecot_user():
    """Who owns the mailboxes: nobody where the test runs as root."""
    return (NOBODY, NOBODY) if os.geteuid() == 0 else (os.geteuid(), os.getegid())


def dovecot_version():
    done = subprocess.run([DOVECOT, "--version"], capture_output=True, text=True, check=True)
    return tuple(int(each) for each in done.stdout.split(" ")[0].split("-")[0].split(".")[:2])


def dovecot_settings(directory, protocols, mailboxes, certificate=None):
    """What every Dovecot of ours has: a place of its own, the users of one file, and TLS where there is a certificate.
    `mailboxes` is a path; USER_PART in it stands for the user."""
    uid, gid = dovecot_user()
    me = "" if os.geteuid() == 0 else _DOVECOT_AS_ONESELF.format(user=getpass.getuser(), group=grp.getgrgid(gid).gr_name)
    by_version = _settings_since_2_4 if dovecot_version() >= (2, 4) else _settings_until_2_3
    return by_version(f"{directory}/users", mailboxes, certificate) + f"""
base_dir = {directory}/run
state_dir = {directory}/state
log_path = {directory}/log
protocols = {protocols}
listen = 127.0.0.1
ssl = {"required" if certificate else "no"}
{me}
first_valid_uid = 1
first_valid_gid = 1
mail_uid = {uid}
mail_gid = {gid}
mail_home = {directory}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
"""


_DOVECOT_AS_ONESELF = """
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
"""


def _settings_until_2_3(users, mailboxes, certificate):
    tls = f"ssl_cert = <{certificate.certificate}\nssl_key = <{certificate.key}" if certificate else ""
    return f"""
disable_plaintext_auth = no
mail_location = maildir:{str(mailboxes).replace(USER_PART, "%n")}
passdb {{
  driver = passwd-file
  args = {users}
}}
userdb {{
  driver = passwd-file
  args = {users}
}}
{tls}
"""


def _settings_since_2_4(users, mailboxes, certificate):
    tls = "auth_allow_cleartext = yes"
    if certificate:
        tls = f"ssl_server_cert_file = {certificate.certificate}\nssl_server_key_file = {certificate.key}"
    return f"""dovecot_config_version = 2.4.0
dovecot_storage_version = 2.4.0
mail_driver = maildir
mail_path = {str(mailboxes).replace(USER_PART, "%{user | username}")}
passdb passwd-file {{
  passwd_file_path = {users}
}}
userdb passwd-file {{
  passwd_file_path = {users}
}}
{tls}
"""


class Dovecot(Server):
    """POP3 over one maildir, in the order of arrival; with a certificate by STLS, and by TLS at once on a second port."""

    def __init__(self, directory, certificate=None):
        directory = pathlib.Path(directory)
        directory.mkdir(mode=0o755, parents=True)
        self.port = free_port()
        self.tls_port = free_port() if certificate else 0
        self.maildir = directory / "maildir"
        self.owner = dovecot_user()
        for path in (self.maildir, *(self.maildir / name for name in ("new", "cur", "tmp"))):
            path.mkdir()
            os.chown(path, *self.owner)
        (directory / "users").write_text(f"{USER}:{{PLAIN}}{PASSWORD}::::::\n")
        (directory / "dovecot.conf").write_text(dovecot_settings(directory, "pop3", self.maildir, certificate) + self._pop3())
        super().__init__(directory, [DOVECOT, "-F", "-c", str(directory / "dovecot.conf")])

    def _pop3(self):
        return f"""
service pop3-login {{
  chroot =
  inet_listener pop3 {{
    port = {self.port}
  }}
  inet_listener pop3s {{
    port = {self.tls_port}
  }}
}}
"""

    def fill(self, messages):
        """Puts messages into the mailbox, the first one to be fetched first."""
        for number, data in enumerate(messages):
            stamp = 1_600_000_000 + number
            path = self.maildir / "new" / f"{stamp}.M{number:06}P1.host"
            path.write_bytes(data.replace(b"\r\n", b"\n"))
            os.chown(path, *self.owner)
            os.utime(path, (stamp, stamp))

    def count(self):
        return sum(len(list((self.maildir / name).iterdir())) for name in ("new", "cur"))


class Fetchmail:
    """A multidrop account, routed by the To and Cc fields, or by the envelope field where one is named. What `to` names gets
    the mail: a port, or the path of a Unix socket, where it is LMTP."""

    def __init__(self, directory, pop3_port, to, envelope=None, smtpaddress=DOMAIN, server="", options="fetchall sslproto ''"):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(mode=0o700, parents=True)
        self.file = self.directory / "fetchmailrc"
        routing = f'envelope "{envelope}"' if envelope else "no envelope"
        address = f'smtpaddress "{smtpaddress}"' if smtpaddress else ""
        host = to if str(to).startswith("/") else f"127.0.0.1/{to}"
        self.file.write_text(
            f'set postmaster "postmaster"\nset no bouncemail\nset no spambounce\n'
            f"poll 127.0.0.1 proto pop3 service {pop3_port} no dns {routing} localdomains {DOMAIN} {server}\n"
            f'  user "{USER}" password "{PASSWORD}" to * here\n'
            f"  smtphost {host} {address} {options}\n"
        )
        self.file.chmod(0o600)
        self.output = ""

    def start(self):
        return subprocess.Popen(
            ["fetchmail", "--nodetach", "--nosyslog", "-v", "--fetchmailrc", str(self.file), "--pidfile", "fetchmail.pid"],
            env={**os.environ, "HOME": str(self.directory), "FETCHMAILHOME": str(self.directory), "LC_ALL": "C"},
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def run(self):
        """One poll of the mailbox; fetchmail's exit status (0: there was mail, 1: there was none)."""
        with self.start() as fetchmail:
            self.output += fetchmail.communicate(timeout=4 * PATIENCE)[0].decode("utf-8", "replace")
        return fetchmail.returncode


class Getmail:
    """A multidrop account that brings its mail by LMTP, all of it for the address in `override`: without one, getmail takes
    everyone whom the header names, and loses its way among their replies."""

    def __init__(self, directory, pop3_port, lmtp_port, override, options="delete = true"):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(mode=0o700, parents=True)
        (self.directory / "getmailrc").write_text(f"""
[retriever]
type = MultidropPOP3Retriever
server = 127.0.0.1
port = {pop3_port}
username = {USER}
password = {PASSWORD}
envelope_recipient = delivered-to:1
[destination]
type = MDA_lmtp
host = 127.0.0.1
port = {lmtp_port}
override = {override}
[options]
{options}
""")
        self.output = ""

    def run(self):
        """One look into the mailbox; getmail's exit status."""
        command = ["getmail", "-v", "--getmaildir", str(self.directory), "--rcfile", "getmailrc"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=4 * PATIENCE, check=False)
        self.output += done.stdout + done.stderr
        return done.returncode


# What `postfix check` makes, which takes two seconds for it.
QUEUES = "active bounce corrupt defer deferred flush hold incoming maildrop private public saved trace".split()


class Postfix(Server):
    """A mail server with a maildir for each user of the domain; others it refuses."""

    def __init__(self, directory, users, settings=""):
        directory = pathlib.Path(directory)
        self.port = free_port()
        self.mailboxes = directory / "mail"
        for name in ("", "mail", "etc", "queue", "queue/pid"):
            (directory / name).mkdir(mode=0o755, parents=True, exist_ok=True)
        for name in ("data", *(f"queue/{each}" for each in QUEUES)):
            (directory / name).mkdir(mode=0o711)
            shutil.chown(directory / name, "postfix", "postfix")
        os.chown(self.mailboxes, NOBODY, NOBODY)
        for name, text in (("main.cf", self._main(directory, users) + settings), ("master.cf", self._master())):
            path = directory / "etc" / name
            path.write_text(text)
            os.utime(path, (0, 0))  # what changed in the last two seconds is not read until they are over
        super().__init__(directory, ["/usr/lib/postfix/sbin/master", "-c", str(directory / "etc"), "-d"])

    @staticmethod
    def _main(directory, users):
        mailboxes = ", ".join(f"{{ {user}@{DOMAIN} = {user}/ }}" for user in users)
        return f"""
compatibility_level = 3.6
queue_directory = {directory}/queue
data_directory = {directory}/data
maillog_file = {directory}/log
maillog_file_prefixes = {directory}
myhostname = mail.{DOMAIN}
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
local_recipient_maps =
virtual_mailbox_domains = {DOMAIN}
virtual_mailbox_base = {directory}/mail
virtual_mailbox_maps = inline:{{ {mailboxes} }}
virtual_uid_maps = static:{NOBODY}
virtual_gid_maps = static:{NOBODY}
smtpd_relay_restrictions = reject_unauth_destination
smtpd_recipient_restrictions =
smtputf8_enable = no
"""

    def _master(self):
        services = [
            f"127.0.0.1:{self.port} inet n - n - - smtpd",
            "cleanup unix n - n - 0 cleanup",
            "qmgr unix n - n 300 1 qmgr",
            "rewrite unix - - n - - trivial-rewrite",
            "virtual unix - n n - - virtual",
            "smtp unix - - n - - smtp",
            "error unix - - n - - error",
            "bounce unix - - n - 0 bounce",
            "defer unix - - n - 0 bounce",
            "trace unix - - n - 0 bounce",
            "proxymap unix - - n - - proxymap",
            "anvil unix - - n - 1 anvil",
            "tlsmgr unix - - n 1000? 1 tlsmgr",
            "postlog unix-dgram n - n - 1 postlogd",
        ]
        return "\n".join(services) + "\n"

    def reload(self):
        """Tables and settings are read anew by whoever connects from now on."""
        mark = len(self.said())
        os.kill(self._process.pid, signal.SIGHUP)
        until(lambda: "reload -- version" in self.said()[mark:], what="the reload of Postfix")

    def mailbox(self, user):
        """The messages a user has, as bytes."""
        folder = self.mailboxes / user / "new"
        return [each.read_bytes() for each in sorted(folder.iterdir())] if folder.is_dir() else []

    def mails(self):
        return sum(1 for _ in self.mailboxes.glob("*/new/*"))

    def settled(self):
        """Nothing is on its way to a mailbox any more."""
        folders = ("incoming", "active", "maildrop", "deferred")
        return not any(each.is_file() for name in folders for each in (self.directory / "queue" / name).rglob("*"))
