"""Protocol behaviour row by row against the running onecopyd: each dialogue whole and byte by byte, in plain text and under TLS,
with the same answers."""

import re
import socket
import ssl
import unittest

from harness import PATIENCE, Case, Certificate
from ports import free_port

E = b"EHLO x\r\n"
M = b"MAIL FROM:<s@far.example>\r\n"
R = b"RCPT TO:<anna@corp.example>\r\n"
D = b"DATA\r\n"
OPEN = [(E, "250"), (M, "250 2.1.0"), (R, "250 2.1.5")]
TEXT = b"Subject: a\r\n\r\nb\r\n.\r\n"
TAKEN = "250 2.0.0"
END = None  # the connection ends


def to_mail(*steps):
    return [(E, "250"), *steps]


def to_rcpt(*steps):
    return [(E, "250"), (M, "250 2.1.0"), *steps]


def after_rcpt(*steps):
    return [*OPEN, *steps]


# Name: steps of what is sent and the replies to it. What an RFC fixes, and where it leaves a choice, what onecopy chose.
ROWS = {
    "P003 verbs in any case": [(b"ehlo x\r\n", "250"), (b"EhLo x\r\n", "250"), (b"noop\r\n", TAKEN)],
    "P004 HELO has no extensions": [(b"HELO x\r\n", "250"), (b"MAIL FROM:<a@b> SIZE=1\r\n", "555 5.5.4"), (M, "250 2.1.0")],
    "P005 EHLO without name": [(b"EHLO\r\n", "501 5.5.4"), (b"HELO \r\n", "501 5.5.4")],
    "P006 literals": [(b"EHLO [192.0.2.1]\r\n", "250"), (b"EHLO [IPv6:::1]\r\n", "250"), (b"EHLO [999.1.1.1]\r\n", "250")],
    "P007 EHLO resets": after_rcpt((E, "250"), (R, "503 5.5.1")),
    "P008 a bad EHLO resets nothing": to_rcpt((b"EHLO\r\n", "501 5.5.4"), (R, "250 2.1.5")),
    "P009 MAIL before EHLO": [(M, "503 5.5.1")],
    "P010 before EHLO": [(b"NOOP\r\n", TAKEN), (b"RSET\r\n", TAKEN), (b"HELP\r\n", "214 2.0.0"), (b"VRFY u\r\n", "252 2.1.5"),
                         (b"EXPN u\r\n", "502 5.5.1"), (b"QUIT\r\n", "221 2.0.0", END)],
    "P011 RCPT without MAIL": to_mail((R, "503 5.5.1"), (b"MAIL FROM:x\r\n", "501 5.5.4"), (R, "503 5.5.1")),
    "P012 DATA without MAIL, RCPT": to_mail((D, "503 5.5.1"), (M, "250 2.1.0"), (D, "554 5.5.1")),
    "P013 MAIL twice": to_rcpt((M, "503 5.5.1"), (R, "250 2.1.5"), (D, "354"), (TEXT, TAKEN)),
    "P014 null sender": to_mail((b"MAIL FROM:<>\r\n", "250 2.1.0")),
    "P015 blank, no brackets": to_mail((b"MAIL FROM: <a@b>\r\n", "250 2.1.0"), (b"RSET\r\n", TAKEN), (b"MAIL FROM:a@b\r\n", "501 5.5.4")),
    "P016 unknown parameter": to_mail((b"MAIL FROM:<a@b> FOO=1\r\n", "555 5.5.4")),
    "P017 P018 source routes": to_mail((b"MAIL FROM:<@r1,@r2:u@d>\r\n", "250 2.1.0"), (b"RCPT TO:<@r:anna@corp.example>\r\n", "250 2.1.5")),
    "P019 postmaster": to_rcpt((b"RCPT TO:<Postmaster>\r\n", "250 2.1.5"), (b"RCPT TO:<POSTMASTER>\r\n", "250 2.1.5")),
    "P020 nobody": to_rcpt((b"RCPT TO:<>\r\n", "501 5.1.3")),
    "P021 quoted": to_rcpt((b'RCPT TO:<"a b"@d>\r\n', "250 2.1.5"), (b'RCPT TO:<"a\\"b"@d>\r\n', "250 2.1.5"),
                           (b'RCPT TO:<"a@b"@d>\r\n', "250 2.1.5"), (b'RCPT TO:<"a>b"@d>\r\n', "250 2.1.5")),
    "P022 literals": to_rcpt((b"RCPT TO:<u@[192.0.2.1]>\r\n", "250 2.1.5"), (b"RCPT TO:<u@[IPv6:2001:db8::1]>\r\n", "250 2.1.5")),
    "P023 longest parts": to_rcpt((b"RCPT TO:<" + b"l" * 64 + b"@d>\r\n", "250 2.1.5"),
                                  (b"RCPT TO:<u@" + b".".join([b"d" * 62] * 4) + b">\r\n", "250 2.1.5")),
    "P024 512 octets": [(b"NOOP " + b"x" * 505 + b"\r\n", TAKEN)],
    "P025 too long a line": [(b"x" * 20000 + b"\r\nNOOP\r\n", "500 5.5.2", TAKEN)],
    "P026 NOOP with argument": [(b"NOOP anything\r\n", TAKEN)],
    "P027 RSET": to_rcpt((b"RSET x\r\n", "501 5.5.4"), (R, "250 2.1.5"), (b"RSET\r\n", TAKEN), (R, "503 5.5.1")),
    "P028 DATA x, QUIT x": after_rcpt((b"DATA x\r\n", "501 5.5.4"), (b"QUIT x\r\n", "501 5.5.4"), (D, "354"), (TEXT, TAKEN)),
    "P029 VRFY leaves the transaction": to_rcpt((b"VRFY u\r\n", "252 2.1.5"), (R, "250 2.1.5")),
    "P030 EXPN": [(b"EXPN l\r\n", "502 5.5.1")],
    "P031 HELP": [(b"HELP\r\n", "214 2.0.0"), (b"HELP MAIL\r\n", "214 2.0.0")],
    "P032 obsolete": [(b"TURN\r\n", "502 5.5.1"), (b"SEND FROM:<a@b>\r\n", "502 5.5.1"), (b"SOML FROM:<a@b>\r\n", "502 5.5.1")],
    "P033 unknown": [(b"FOO\r\nXFOO\r\n", "500 5.5.1", "500 5.5.1")],
    "P034 QUIT ends": [(b"QUIT\r\nNOOP\r\n", "221 2.0.0", END)],
    "P036 a second message": after_rcpt((D, "354"), (TEXT, TAKEN), (M, "250 2.1.0"), (R, "250 2.1.5"), (D, "354"), (TEXT, TAKEN)),
    "P037 errors": [(b"FOO\r\n" * 20, *["500 5.5.1"] * 19, "421 4.7.0", END)],
    "P041 GET": [(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "500 5.5.1", END)],
    "P041 TLS": [(b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00", "500 5.5.1", END)],
    "P050 dots": after_rcpt((D, "354"), (b"A: b\r\n\r\n..\r\n...\r\n. x\r\nx.\r\n.\r\n", TAKEN)),
    "P051 nothing": after_rcpt((D, "354"), (b".\r\n", TAKEN)),
    "P059 one recipient twice": after_rcpt((R, "250 2.1.5"), (D, "354"), (TEXT, TAKEN)),
    "P101 SIZE too large": to_mail((b"MAIL FROM:<a@b> SIZE=99999999999\r\n", "552 5.3.4")),
    "P102 bad SIZE": to_mail((b"MAIL FROM:<a@b> SIZE=\r\n", "501 5.5.4"), (b"MAIL FROM:<a@b> SIZE=-1\r\n", "501 5.5.4"),
                             (b"MAIL FROM:<a@b> SIZE=99999999999999999999\r\n", "501 5.5.4"),
                             (b"MAIL FROM:<a@b> SIZE=1 SIZE=2\r\n", "501 5.5.4")),
    "P104 SIZE that was too small": to_mail((b"MAIL FROM:<a@b> SIZE=1\r\n", "250 2.1.0"), (R, "250 2.1.5"), (D, "354"), (TEXT, TAKEN)),
    "P110 a group": to_mail((M + R * 50 + D, "250 2.1.0", *["250 2.1.5"] * 50, "354"), (TEXT, TAKEN)),
    "P111 the next message behind the dot": after_rcpt((D, "354"), (TEXT + b"RSET\r\n" + M + R + D, TAKEN, TAKEN, "250 2.1.0", "250 2.1.5", "354"),
                                                       (TEXT, TAKEN)),
    "P113 lines of a refused message": to_rcpt((D + b"RCPT TO:<x@corp.example>\r\nNOOP\r\nRSET\r\n", "554 5.5.1", "503 5.5.1", "503 5.5.1", TAKEN)),
    "P140 BODY": to_mail((b"MAIL FROM:<a@b> BODY=FOO\r\n", "501 5.5.4"), (b"MAIL FROM:<a@b> BODY=8BITMIME\r\n", "250 2.1.0")),
    "P144 UTF-8 addresses": to_mail(("MAIL FROM:<é@b>\r\n".encode(), "550 5.6.7"), (M, "250 2.1.0"), ("RCPT TO:<é@d>\r\n".encode(), "553 5.6.7")),
    "S22 LF, CR in commands": to_rcpt((b"RCPT TO:<a@b>\nDATA\nx\r\nNOOP\r\n", "500 5.5.2", TAKEN), (b"RSET\rNOOP\r\nNOOP\r\n", "500 5.5.2", TAKEN)),
    "NUL in a command": to_mail((b"NO\0OP\r\n", "500 5.5.2")),
    "P120 a header alone, in one chunk": after_rcpt((b"BDAT 12 LAST\r\nSubject: a\r\n", TAKEN)),
    "P121 chunks": after_rcpt((b"BDAT 3\r\na\r\nBDAT 0 LAST\r\n", TAKEN, TAKEN)),
    "P122 an empty chunk": after_rcpt((b"BDAT 0\r\nBDAT 1 LAST\r\na", TAKEN, TAKEN)),
    "P123 behind the last": after_rcpt((b"BDAT 1 LAST\r\naBDAT 1 LAST\r\na", TAKEN, "503 5.5.1")),
    "P124 DATA behind BDAT": after_rcpt((b"BDAT 1\r\na" + D, TAKEN, "503 5.5.1")),
    "P126 without RCPT": to_rcpt((b"BDAT 6 LAST\r\nQUIT\r\n", "554 5.5.1")),
    "P126 without MAIL": to_mail((b"BDAT 6 LAST\r\nQUIT\r\n", "503 5.5.1")),
    "P127 P131 too large": after_rcpt((b"BDAT 999999999\r\n" + b"x" * 100,)),
    "P128 RSET": after_rcpt((b"BDAT 1\r\naRSET\r\n", TAKEN, TAKEN), (M + R, "250 2.1.0", "250 2.1.5")),
    "P130 malformed": after_rcpt((b"BDAT 5 FIRST\r\nNOOP\r\n", "521 5.5.4", END)),
    "P130 a size beyond count": after_rcpt((b"BDAT 18446744073709551616\r\n", "521 5.5.4", END)),
    "P136 all in one": to_mail((M + R + b"BDAT 1\r\naBDAT 1 LAST\r\nbQUIT\r\n", "250 2.1.0", "250 2.1.5", TAKEN, TAKEN, "221 2.0.0", END)),
    "P150 DSN": to_mail((b"MAIL FROM:<s@x> RET=HDRS ENVID=a+2Bb\r\n", "250 2.1.0"),
                        (b"RCPT TO:<anna@corp.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;anna+2Bx@corp.example\r\n", "250 2.1.5")),
    "P151 bad DSN": to_mail((b"MAIL FROM:<s@x> RET=X\r\n", "501 5.5.4"), (b"MAIL FROM:<s@x> ENVID=+00\r\n", "501 5.5.4"), (M, "250 2.1.0"),
                            (b"RCPT TO:<a@corp.example> NOTIFY=NEVER,SUCCESS\r\n", "501 5.5.4"),
                            (b"RCPT TO:<a@corp.example> ORCPT=rfc822;+2b\r\n", "501 5.5.4")),
    "P142 SMTPUTF8 that nobody is known to take": to_mail((b"MAIL FROM:<s@x> SMTPUTF8\r\n", "555 5.5.4")),
    "P181 AUTH where there is none": to_mail((b"AUTH PLAIN AGEAYg==\r\n", "502 5.5.1")),
    "P195 XCLIENT, XFORWARD": to_mail((b"XCLIENT NAME=x\r\n", "500 5.5.1"), (b"XFORWARD NAME=x\r\n", "500 5.5.1")),
    "LHLO": [(b"LHLO x\r\n", "500 5.5.1")],
}  # fmt: skip

# What follows them in one segment is an attack, or a client that does not wait: only whole segments tell. (RFC 2920 3.1)
WHOLE_ROWS = {
    "P112 behind EHLO": [(E + M, "554 5.5.0", END)],
    "P112 behind VRFY": [(b"VRFY u\r\nNOOP\r\n", "554 5.5.0", END)],
    "P112 behind NOOP, QUIT": [(b"NOOP\r\nNOOP\r\nQUIT\r\nNOOP\r\n", TAKEN, TAKEN, "221 2.0.0", END)],
}


# The client here trusts whom it meets: who serves is another test's matter.
TLS = ssl.create_default_context()
TLS.check_hostname = False
TLS.verify_mode = ssl.CERT_NONE


class Line:
    """A client that knows nothing of SMTP."""

    def __init__(self, port, tls=None):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls == "implicit":
            self.socket = TLS.wrap_socket(self.socket)
        self.file = self.socket.makefile("rb")
        if tls == "starttls":
            assert self.reply() == "220"
            self.say(b"STARTTLS\r\n")
            assert self.reply() == "220 2.0.0"
            self.file.close()
            self.socket = TLS.wrap_socket(self.socket)
            self.file = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.socket.close()

    def say(self, data, piece=None):
        for at in range(0, len(data), piece or len(data)):
            self.socket.sendall(data[at : at + (piece or len(data))])

    def reply(self):
        """Code and status of one reply; None at the end of the connection. Each line is checked."""
        code = None
        while True:
            try:
                line = self.file.readline(2048)
            except (ConnectionResetError, ssl.SSLError):
                return None
            if not line:
                return None
            if not re.fullmatch(rb"[2-5]\d\d[ -][ -~]*\r\n", line) or len(line) > 512:
                raise AssertionError(f"malformed reply {line!r}")
            if code not in (None, line[:3]):
                raise AssertionError(f"one reply, two codes: {line!r}")
            code = line[:3]
            if line[3:4] == b" ":
                status = re.match(rb"\d\.\d{1,3}\.\d{1,3}", line[4:])
                return " ".join(part.decode() for part in (code, status and status.group()) if part)


class Protocol(Case):
    def setUp(self):
        super().setUp()
        self.received = self.sink()
        certificate = Certificate(self.directory)
        self.ports = {None: free_port(), "starttls": free_port(), "implicit": free_port()}
        listen = [{"address": f"127.0.0.1:{port}", "tls": tls or "none"} for tls, port in self.ports.items()]
        self.daemon_ = self.daemon(self.received, grouping={"window": "0s"}, listen=listen, tls=certificate.settings)
        self.daemon_.port = self.ports[None]

    def play(self, steps, piece=None, tls=None):
        with Line(self.ports[tls], tls) as line:
            if tls != "starttls":
                self.assertEqual(line.reply(), "220")
            for data, *replies in steps:
                line.say(data, piece)
                self.assertEqual([line.reply() for _ in replies], replies, data[:80])
            discarding = steps[-1][1:] == ()
            if steps[-1][-1] is not END and not discarding:  # nothing stands behind what was expected
                line.say(b"RSET\r\n")
                self.assertEqual(line.reply(), TAKEN)

    def test_every_row_whole(self):
        for tls in self.ports:
            for name, steps in {**ROWS, **WHOLE_ROWS}.items():
                with self.subTest(name, tls=tls):
                    self.play(steps, None, tls)

    def test_every_row_byte_by_byte(self):
        for tls in self.ports:
            for name, steps in ROWS.items():
                with self.subTest(name, tls=tls):
                    self.play(steps, 1, tls)

    def test_P001_the_greeting_names_the_host_and_no_version(self):
        with Line(self.daemon_.port) as line:
            greeting = line.file.readline()
        self.assertRegex(greeting, rb"^220 proxy\.corp\.example ")
        self.assertNotRegex(greeting, rb"\d\.\d|onecopy")

    def test_P002_what_is_said_before_the_greeting_is_executed_once_at_most(self):
        with Line(self.daemon_.port) as line:
            line.say(b"NOOP\r\n")
            self.assertEqual([line.reply(), line.reply()], ["220", TAKEN])

    def test_P100_P161_what_EHLO_offers(self):
        with Line(self.daemon_.port) as line:
            line.reply()
            line.say(E)
            offered = []
            while not offered or offered[-1][3:4] == b"-":
                offered.append(line.file.readline())
        words = {each[4:].split()[0] for each in offered[1:]}
        self.assertEqual(words, {b"PIPELINING", b"SIZE", b"8BITMIME", b"ENHANCEDSTATUSCODES", b"CHUNKING", b"DSN", b"HELP"})

    def test_P035_what_ends_early_leaves_nothing(self):
        for said in (M + R, M + R + D + b"Subject: a\r\n", M + R + D + b"Subject: a\r\n\r\nb\r\n."):
            for abrupt in (False, True):
                with self.subTest(said=said, abrupt=abrupt), Line(self.daemon_.port) as line:
                    line.say(E)
                    self.assertEqual([line.reply(), line.reply()], ["220", "250"])
                    line.say(said)
                    line.reply()
                    if abrupt:
                        line.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.sentinel(self.daemon_, self.received)
        self.assertEqual(len(self.received.delivered), 1)

    def test_half_closed_after_the_dot_the_answer_still_comes(self):
        with Line(self.daemon_.port) as line:
            line.say(E)
            line.reply()
            line.reply()
            line.say(M + R + D + TEXT)
            line.socket.shutdown(socket.SHUT_WR)
            self.assertEqual([line.reply() for _ in range(5)], ["250 2.1.0", "250 2.1.5", "354", TAKEN, None])


if __name__ == "__main__":
    unittest.main()
