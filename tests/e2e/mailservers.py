"""Real mail servers behind onecopy, besides the Postfix of mailhosts.py: Dovecot by LMTP, and Exim."""

import os
import pathlib
import shutil
import subprocess

from harness import TOP
from mailhosts import DOVECOT, NOBODY, USER_PART, Server, dovecot_settings, dovecot_user, dovecot_version
from messages import DOMAIN
from ports import free_port

LOGIN, SECRET = "onecopy", "s3cret"
QUOTA_UNTIL_2_3 = "plugin {\n  quota = maildir:all\n}"
QUOTA_SINCE_2_4 = "quota_storage_grace = 0\nquota all {\n}"
# Debian has one mail server at a time: tests/packages.sh unpacks what is not Postfix into this folder.
UNPACKED = TOP / "build-programs"
EXIM = UNPACKED / "usr/sbin/exim4"


# Of Exim: where the name and the password stand, and what it asks for them.
MECHANISMS = {
    "PLAIN": ("$auth2", "$auth3", ":"),
    "LOGIN": ("$auth1", "$auth2", "<| Username: | Password:"),
}


def authenticator(mechanism):
    name, password, prompts = MECHANISMS[mechanism]
    return f"""{mechanism}:
 driver = plaintext
 server_prompts = {prompts}
 server_condition = ${{if and{{{{eq{{{name}}}{{{LOGIN}}}}}{{eq{{{password}}}{{{SECRET}}}}}}}}}
 server_set_id = {name}
"""


def maildir(folder):
    """The messages in a maildir, as bytes."""
    new = pathlib.Path(folder) / "new"
    return [each.read_bytes() for each in sorted(new.iterdir())] if new.is_dir() else []


class DovecotLmtp(Server):
    """LMTP into a maildir for each user, `full` ones with a quota that nothing fits in; and it tells a Postfix who may log in."""

    def __init__(self, directory, users=(), full=(), certificate=None):
        self.home = pathlib.Path(directory)
        self.port, self.auth_port = free_port(), free_port()
        (self.home / "mail").mkdir(mode=0o755, parents=True)
        os.chown(self.home / "mail", *dovecot_user())
        self.new = dovecot_version() >= (2, 4)
        nothing_fits = "userdb_quota_storage_size=10B" if self.new else "userdb_quota_rule=*:bytes=10"
        rules = {**dict.fromkeys(users, ""), **dict.fromkeys(full, nothing_fits)}
        lines = [f"{user}@{DOMAIN}:{{PLAIN}}x::::::{rule}\n" for user, rule in rules.items()]
        (self.home / "users").write_text("".join([*lines, f"{LOGIN}:{{PLAIN}}{SECRET}::::::\n"]))
        settings = dovecot_settings(self.home, "lmtp", self.home / "mail" / USER_PART, certificate)
        (self.home / "dovecot.conf").write_text(settings + self._lmtp())
        super().__init__(self.home, [DOVECOT, "-F", "-c", str(self.home / "dovecot.conf")])

    def _lmtp(self):
        return f"""
auth_mechanisms = plain login
auth_failure_delay = 0
mail_plugins = quota
{QUOTA_SINCE_2_4 if self.new else QUOTA_UNTIL_2_3}
service lmtp {{
  inet_listener lmtp {{
    port = {self.port}
  }}
}}
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service auth {{
  inet_listener auth {{
    port = {self.auth_port}
  }}
}}
"""

    def mailbox(self, user):
        return maildir(self.home / "mail" / user)


class Exim(Server):
    """A maildir for each user; `refused` and `later` get 550 and 450. Mail is taken under TLS from who has logged in."""

    def __init__(self, directory, users, certificate, mechanisms=("PLAIN", "LOGIN")):
        self.home = pathlib.Path(directory)
        self.port = free_port()
        self.mechanisms = mechanisms
        self.home.mkdir(mode=0o755, parents=True)
        owner = (NOBODY, NOBODY) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
        # It insists on a user of its own, whom no machine has where the package is not installed.
        (self.home / "passwd").write_text(f"Debian-exim:x:{owner[0]}:{owner[1]}::/:/bin/false\n")
        (self.home / "group").write_text(f"Debian-exim:x:{owner[1]}:\n")
        shutil.copyfile(EXIM, self.home / "exim")  # without its setuid bit
        (self.home / "exim").chmod(0o755)
        for source, name in ((certificate.certificate, "cert.pem"), (certificate.key, "key.pem")):
            shutil.copy(source, self.home / name)
            os.chown(self.home / name, *owner)
        (self.home / "exim.conf").write_text(self._configuration(users))
        os.chown(self.home, *owner)
        super().__init__(self.home, self._command(), **self._as_other_user(owner))

    def _command(self):
        return [str(self.home / "exim"), "-C", str(self.home / "exim.conf"), "-bdf", "-oP", str(self.home / "pid")]

    def _as_other_user(self, owner):
        environment = {
            "LD_PRELOAD": "libnss_wrapper.so",
            "NSS_WRAPPER_PASSWD": str(self.home / "passwd"),
            "NSS_WRAPPER_GROUP": str(self.home / "group"),
        }
        user = {"user": owner[0], "group": owner[1], "extra_groups": []} if os.geteuid() == 0 else {}
        return {"env": environment, **user}

    def _configuration(self, users):
        authenticators = "".join(authenticator(name) for name in self.mechanisms)
        return f"""
keep_environment = LD_PRELOAD : NSS_WRAPPER_PASSWD : NSS_WRAPPER_GROUP
exim_path = {self.home}/exim
primary_hostname = mail.{DOMAIN}
local_interfaces = 127.0.0.1
daemon_smtp_ports = {self.port}
spool_directory = {self.home}/spool
log_file_path = {self.home}/log.%s
log_selector = +received_recipients
deliver_drop_privilege
host_lookup =
rfc1413_query_timeout = 0s
tls_advertise_hosts = *
tls_certificate = {self.home}/cert.pem
tls_privatekey = {self.home}/key.pem
auth_advertise_hosts = ${{if eq{{$tls_in_cipher}}{{}}{{}}{{*}}}}
dsn_advertise_hosts = *
acl_smtp_rcpt = recipient
begin acl
recipient:
 require authenticated = *
 deny local_parts = refused
  message = not him
 defer local_parts = later
  message = not now
 accept domains = {DOMAIN}
begin authenticators
{authenticators}
begin routers
users:
 driver = accept
 domains = {DOMAIN}
 local_parts = {" : ".join(users)}
 transport = maildir
begin transports
maildir:
 driver = appendfile
 directory = {self.home}/mail/$local_part_data
 maildir_format
 user = Debian-exim
"""

    def said(self):
        logs = (self.home / name for name in ("output", "log.main", "log.reject", "log.panic"))
        return "\n".join(each.read_text(errors="replace") for each in logs if each.exists())

    def mailbox(self, user):
        return maildir(self.home / "mail" / user)


def exim_missing():
    """A word where there is none."""
    if not EXIM.exists():
        return "not unpacked: exim4 (tests/packages.sh)"
    environment = {"LD_PRELOAD": "libnss_wrapper.so"}
    done = subprocess.run([str(EXIM), "-bV"], env=environment, capture_output=True, text=True, check=False)
    return "not installed: libnss-wrapper" if "cannot be preloaded" in done.stderr else ""
