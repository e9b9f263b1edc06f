# What onecopy is built and tested with, and how it is installed on Debian and Ubuntu. Sourced by quickstart and check.

build_packages=(g++ meson ninja-build pkg-config python3 libevent-dev libssl-dev libcrypt-dev libmimetic-dev libyaml-cpp-dev libsqlite3-dev
    libsystemd-dev libncurses-dev libidn2-dev nlohmann-json3-dev libcli11-dev libdeflate-dev doctest-dev)
# swaks does TLS by libnet-ssleay-perl, and Exim runs under libnss-wrapper.
test_packages=(clang-format mandoc fetchmail getmail6 dovecot-pop3d dovecot-lmtpd postfix strace faketime sqlite3 systemd swaks openssl
    libnet-ssleay-perl libnss-wrapper prometheus chromium libbenchmark-dev e2fsprogs iproute2)
# With these the Debian package is built, and a system to install it in.
package_packages=(debhelper lintian debootstrap)
# Mail servers that Debian does not install beside Postfix: they are only unpacked, and run from there.
unpacked_packages=(exim4-daemon-light)

# The packages among "$@" that are not installed.
missing_packages() {
    local package
    for package; do
        [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || echo "$package"
    done
}

as_root() {
    if [[ $EUID -eq 0 ]]; then "$@"; else sudo "$@"; fi
}

# Mail servers are wanted as programs, not as services of this machine: nothing is started by their installation.
without_services() {
    local policy=/usr/sbin/policy-rc.d status=0
    if [[ -e $policy ]]; then "$@"; return; fi
    printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null
    as_root chmod 755 $policy
    "$@" || status=$?
    as_root rm -f $policy
    return $status
}

apt_install() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
}

# Installs what is missing of "$@"; silent, and without a look at the network, where nothing is.
install_missing() {
    local missing
    mapfile -t missing < <(missing_packages "$@")
    [[ ${#missing[@]} -eq 0 ]] && return
    if ! command -v apt-get >/dev/null; then
        echo "please install: ${missing[*]}" >&2
        return 1
    fi
    if [[ $EUID -ne 0 ]] && ! command -v sudo >/dev/null; then
        echo "please install as root: apt-get install ${missing[*]}" >&2
        return 1
    fi
    echo "installing ${missing[*]}"
    as_root apt-get update -q
    if [[ " ${missing[*]} " == *" postfix "* ]]; then
        echo "postfix postfix/main_mailer_type select No configuration" | as_root debconf-set-selections
    fi
    without_services apt_install "${missing[@]}"
}

# The libraries among what a package depends on.
libraries_of() {
    apt-cache depends "$1" | sed -n 's/^ *Depends: \(lib[^ ]*\)$/\1/p'
}

# Unpacks each of "${@:2}" into a folder, with no setuid bit and without its scripts, and installs the libraries they need.
unpack_missing() {
    local folder=$1 package download libraries
    shift
    for package; do
        [[ -e $folder/usr/share/doc/$package ]] && continue
        echo "unpacking $package"
        as_root apt-get update -q
        mapfile -t libraries < <(libraries_of "$package")
        install_missing "${libraries[@]}" || return 1
        download=$(mktemp -d)
        (cd "$download" && apt-get download -q "$package") && mkdir -p "$folder" && dpkg-deb -x "$download"/*.deb "$folder" &&
            chmod -R u-s,g-s "$folder" || { rm -rf "$download"; return 1; }
        rm -rf "$download"
    done
}
