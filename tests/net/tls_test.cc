#include "net/tls.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include "tls_fixture.h"

using namespace onecopy;
using namespace onecopy::net;
using namespace onecopy::net::testing;
using Reason = Connection::Reason;

namespace {

template <typename Side>
std::string refusal(const typename Side::Settings& settings) {
    try {
        Side side(settings);
    } catch (const std::runtime_error& error) {
        return error.what();
    }
    return {};
}

std::shared_ptr<const TlsClient> client(const TlsClient::Settings& settings) {
    return std::make_shared<TlsClient>(settings);
}

/// A connection of ours whose other end is OpenSSL's.
struct Call : Bench {
    /// Ours is the client.
    Call(const std::shared_ptr<const TlsClient>& ours, const std::string& name, const Identity& identity)
        : end(pair.far, &identity) {
        SSL_CTX_set_tlsext_servername_callback(SSL_get_SSL_CTX(end.native()), note_name);
        SSL_CTX_set_tlsext_servername_arg(SSL_get_SSL_CTX(end.native()), this);
        peer.connection = Connection::accepted(loop, pair.near, peer);
        peer.connection->start_tls(ours, name);
    }
    /// Ours is the server.
    explicit Call(const std::shared_ptr<const TlsServer>& ours) : end(pair.far) {
        peer.connection = Connection::accepted(loop, pair.near, peer, ours);
    }
    ~Call() { ::close(pair.far); }
    static int note_name(SSL* session, int*, void* self) {
        const char* name = SSL_get_servername(session, TLSEXT_NAMETYPE_host_name);
        static_cast<Call*>(self)->indicated = name ? name : "";
        return SSL_TLSEXT_ERR_OK;
    }
    bool secured() {
        until([&] {
            end.step();
            return (peer.is_secured && end.shaken) || peer.ends > 0;
        });
        return peer.is_secured;
    }

    TcpPair pair;
    Peer peer;
    TlsEnd end;
    std::string indicated;
};

}  // namespace

TEST_SUITE_BEGIN("tls");

TEST_CASE("a server says which file is wrong, and how") {
    Files files;
    Identity identity({}), other({});
    const std::string certificate = files.certificate("cert.pem", identity), key = files.key("key.pem", identity);
    const std::string nowhere = files.path("nowhere"), text = files.text("text", "no PEM\n");
    const std::string others = files.key("other.pem", other), locked = files.key("locked.pem", identity, "secret");
    struct Row {
        std::string certificate, key, words;
    };
    const Row table[] = {
        {certificate, key, ""},
        {nowhere, key, nowhere + ": No such file or directory"},
        {certificate, nowhere, nowhere + ": No such file or directory"},
        {text, key, text + ": no certificate in PEM form that can be used (no start line)"},
        {key, key, key + ": no certificate in PEM form that can be used (no start line)"},
        {certificate, text, text + ": no private key in PEM form (unsupported)"},
        {certificate, certificate, certificate + ": no private key in PEM form (unsupported)"},
        {certificate, others, others + ": the key does not belong to the certificate in " + certificate},
        {certificate, locked, locked + ": the key needs a passphrase, which nobody can be asked for"},
    };
    for (const Row& row : table) {
        CAPTURE(row.certificate);
        CAPTURE(row.key);
        CHECK(refusal<TlsServer>({row.certificate, row.key}) == row.words);
        CHECK(ERR_peek_error() == 0);
    }
}

TEST_CASE("a certificate of an old digest is taken where old versions are asked for, and only there") {
    Files files;
    Identity authority({.authority = true});
    Identity identity({.digest = "SHA1"}, &authority);
    TlsServer::Settings settings{files.certificate("cert.pem", identity), files.key("key.pem", identity), TlsVersion::v1_1};
    CHECK(refusal<TlsServer>(settings) == "");
    settings.min_version = TlsVersion::v1_2;
    CHECK(refusal<TlsServer>(settings) ==
          settings.certificate + ": no certificate in PEM form that can be used (ca md too weak)");
}

TEST_CASE("a certificate that has expired serves on, and says when it did") {
    Files files;
    auto server = files.server(Identity({.from = -7200, .until = -3600}));
    base::Duration ago = base::wall_clock() - server->expires();
    CHECK(ago > std::chrono::seconds(3590));
    CHECK(ago < std::chrono::seconds(3700));
    CHECK(Call(server).secured());
}

TEST_CASE("a client says what is wrong with its file of authorities") {
    Files files;
    const std::string nowhere = files.path("nowhere"), text = files.text("text", "no PEM\n");
    CHECK(refusal<TlsClient>({}) == "");
    CHECK(refusal<TlsClient>({.verify = true}) == "");
    CHECK(refusal<TlsClient>({.ca_file = nowhere}) == nowhere + ": No such file or directory");
    CHECK(refusal<TlsClient>({.ca_file = text}) == text + ": no certificate in PEM form (no certificate or crl found)");
}

TEST_CASE("a client that verifies wants chain, name and time to be right; one that does not, nothing") {
    Files files;
    Identity authority({.authority = true}), stranger({.authority = true});
    const std::string trusted = files.certificate("ca.pem", authority);
    const std::string name = "mail.example", failed = "certificate verify failed: ";
    struct Row {
        std::string names, called;
        bool ours = true;  // issued by whom we trust
        long until = 3600;
        std::string words = "";
    };
    const Row table[] = {
        {"DNS:mail.example", name},
        {"DNS:MAIL.example", name},
        {"DNS:mail.example", "mail.example."},
        {"DNS:other.example,DNS:mail.example", name},
        {"DNS:*.corp.example", "mail.corp.example"},
        {"IP:192.0.2.1", "192.0.2.1"},
        {"IP:2001:db8::1", "2001:db8:0::1"},
        {"DNS:other.example", name, true, 3600, failed + "hostname mismatch"},
        {"DNS:m*.corp.example", "mail.corp.example", true, 3600, failed + "hostname mismatch"},
        {"DNS:*.corp.example", "a.mail.corp.example", true, 3600, failed + "hostname mismatch"},
        {"DNS:mail.example", "192.0.2.1", true, 3600, failed + "IP address mismatch"},
        {"DNS:192.0.2.1", "192.0.2.1", true, 3600, failed + "IP address mismatch"},
        {"IP:192.0.2.2", "192.0.2.1", true, 3600, failed + "IP address mismatch"},
        {"DNS:mail.example", name, true, -60, failed + "certificate has expired"},
        {"DNS:mail.example", name, false, 3600, failed + "unable to get local issuer certificate"},
    };
    for (const Row& row : table) {
        CAPTURE(row.names);
        CAPTURE(row.called);
        Identity server({.names = row.names, .from = -7200, .until = row.until}, row.ours ? &authority : &stranger);
        Call verifying(client({.verify = true, .ca_file = trusted}), row.called, server);
        CHECK(verifying.secured() == row.words.empty());
        CHECK(verifying.peer.words == row.words);
        if (!row.words.empty()) CHECK(verifying.peer.reason == Reason::tls);
        CHECK(Call(client({}), row.called, server).secured());
    }
}

TEST_CASE("a self-signed certificate is refused, unless it is the one that is trusted") {
    Files files;
    Identity server({}), other({.authority = true});
    Call refused(client({.verify = true, .ca_file = files.certificate("ca.pem", other)}), "mail.example", server);
    CHECK_FALSE(refused.secured());
    CHECK(refused.peer.words == "certificate verify failed: self-signed certificate");
    CHECK(Call(client({.verify = true, .ca_file = files.certificate("own.pem", server)}), "mail.example", server).secured());
}

TEST_CASE("a certificate that is trusted itself needs no root") {
    Files files;
    Identity authority({.authority = true});
    Identity server({}, &authority);
    CHECK(Call(client({.verify = true, .ca_file = files.certificate("own.pem", server)}), "mail.example", server).secured());
}

TEST_CASE("a name goes along in the handshake, an address does not") {
    const std::pair<std::string, std::string> table[] = {
        {"mail.example", "mail.example"}, {"mail.example.", "mail.example"}, {"192.0.2.1", ""}, {"2001:db8::1", ""}};
    Identity server({});
    for (const auto& [called, indicated] : table) {
        Call call(client({}), called, server);
        CHECK(call.secured());
        CHECK(call.indicated == indicated);
    }
}

TEST_CASE("a name that no certificate can carry is verified by none") {
    Files files;
    Identity server({});
    auto verifying = client({.verify = true, .ca_file = files.certificate("own.pem", server)});
    for (const std::string& name : {std::string(), std::string("."), std::string(300, 'x')}) {
        CAPTURE(name);
        Call call(verifying, name, server);
        CHECK_FALSE(call.secured());
        CHECK(call.peer.reason == Reason::tls);
        CHECK(call.peer.words == "no certificate can carry the server's name");
    }
}

TEST_CASE("the least version holds on both sides, and old ones work where it allows them") {
    Files files;
    Identity identity({});
    const std::pair<TlsVersion, int> versions[] = {{TlsVersion::v1_0, TLS1_VERSION},
                                                   {TlsVersion::v1_1, TLS1_1_VERSION},
                                                   {TlsVersion::v1_2, TLS1_2_VERSION},
                                                   {TlsVersion::v1_3, TLS1_3_VERSION}};
    for (const auto& [least, unused] : versions) {
        for (const auto& [spoken, number] : versions) {
            CAPTURE(static_cast<int>(least));
            CAPTURE(static_cast<int>(spoken));
            Call ours_calls(client({.min_version = least}), "mail.example", identity);
            Call ours_answers(files.server(identity, least));
            for (Call* call : {&ours_calls, &ours_answers}) {
                call->end.only(number);
                CHECK(call->secured() == (spoken >= least));
                if (spoken < least) {
                    CHECK(call->peer.reason == Reason::tls);
                } else {
                    std::string description = call->peer.connection->tls_description();
                    CHECK(description.starts_with(SSL_get_version(call->end.native())));
                }
            }
        }
    }
}

TEST_CASE("anonymous and empty ciphers are not spoken, and the order of ours counts") {
    Files files;
    Identity identity({});
    const std::pair<std::string, std::string> table[] = {
        {"aNULL:@SECLEVEL=0", ""},
        {"eNULL:@SECLEVEL=0", ""},
        {"ECDHE-ECDSA-AES128-GCM-SHA256", "TLSv1.2 ECDHE-ECDSA-AES128-GCM-SHA256"},
        {"ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384", "TLSv1.2 ECDHE-ECDSA-AES256-GCM-SHA384"},
    };
    for (const auto& [offered, agreed] : table) {
        CAPTURE(offered);
        Call call(files.server(identity));
        call.end.only(TLS1_2_VERSION);
        REQUIRE(SSL_set_cipher_list(call.end.native(), offered.c_str()) == 1);
        CHECK(call.secured() == !agreed.empty());
        CHECK(call.peer.connection->tls_description() == agreed);
        if (agreed.empty()) CHECK(call.peer.words == "no shared cipher");
    }
}

TEST_CASE("after a reload new sessions get the new certificate, and old ones go on") {
    Files files;
    auto server = files.server(Identity({.names = "DNS:old.example"}));
    std::weak_ptr<const TlsServer> gone = server;
    Call before(server);
    server = files.server(Identity({.names = "DNS:new.example"}));
    CHECK(gone.expired());
    Call after(server);
    for (const auto& [call, name] : {std::pair(&before, "old.example"), std::pair(&after, "new.example")}) {
        REQUIRE(call->secured());
        CHECK(X509_check_host(SSL_get0_peer_certificate(call->end.native()), name, 0, 0, nullptr) == 1);
        call->end.say("question");
        REQUIRE(call->until([&, call = call] { return call->peer.bytes == "question"; }));
        call->peer.connection->write("answer");
        CHECK(call->until([&, call = call] {
            call->end.step();
            return call->end.heard == "answer";
        }));
    }
}

TEST_SUITE_END();
