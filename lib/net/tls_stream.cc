#include "net/tls_stream.h"

#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <cstring>

namespace onecopy::net {
namespace {

std::string words_of(unsigned long code) {
    if (ERR_SYSTEM_ERROR(code)) return std::strerror(ERR_GET_REASON(code));
    const char* reason = ERR_reason_error_string(code);
    return reason ? reason : "error " + std::to_string(code) + " of OpenSSL";
}

bool is(unsigned long code, int reason) {
    return ERR_GET_LIB(code) == ERR_LIB_SSL && ERR_GET_REASON(code) == reason;
}

/// The earliest error names the cause. libevent gives the latest first, and SSL_get_error()'s number, of no library, last.
unsigned long cause(bufferevent* stream) {
    unsigned long first = 0;
    while (unsigned long code = bufferevent_get_openssl_error(stream)) {
        if (ERR_GET_LIB(code) != 0) first = code;
    }
    return first;
}

}  // namespace

/// Deferred, since libevent tells an end that it met in the middle of a read before the bytes of that read.
bufferevent* tls_stream(event_base* base, int descriptor, TlsSession session) {
    bufferevent_ssl_state state = SSL_is_server(session.get()) ? BUFFEREVENT_SSL_ACCEPTING : BUFFEREVENT_SSL_CONNECTING;
    return bufferevent_openssl_socket_new(base, descriptor, session.release(), state,
                                          BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
}

std::string tls_description(bufferevent* stream) {
    const SSL* session = bufferevent_openssl_get_ssl(stream);
    return std::string(SSL_get_version(session)) + " " + SSL_get_cipher_name(session);
}

bool send_close_notify(bufferevent* stream) {
    SSL* session = bufferevent_openssl_get_ssl(stream);
    ERR_clear_error();
    int result = SSL_shutdown(session);
    bool blocked = result < 0 && SSL_get_error(session, result) == SSL_ERROR_WANT_WRITE;
    ERR_clear_error();
    return !blocked;
}

TlsFailure tls_failure(bufferevent* stream, int socket_error) {
    using Kind = TlsFailure::Kind;
    unsigned long code = cause(stream);
    if (code == 0) return {Kind::reset, std::strerror(socket_error)};
    if (is(code, SSL_R_UNEXPECTED_EOF_WHILE_READING)) return {Kind::ended, "closed without the end of TLS (close_notify)"};
    if (!is(code, SSL_R_CERTIFICATE_VERIFY_FAILED)) return {Kind::broken, words_of(code)};
    long verdict = SSL_get_verify_result(bufferevent_openssl_get_ssl(stream));
    return {Kind::broken, words_of(code) + ": " + X509_verify_cert_error_string(verdict)};
}

std::string take_tls_error() {
    unsigned long code = ERR_get_error();
    ERR_clear_error();
    return words_of(code);
}

}  // namespace onecopy::net
