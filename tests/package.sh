#!/usr/bin/env bash
# Builds the Debian package from what is committed, installs it into a clean root, boots that with systemd, and removes it.
# Exit 77: this machine can't; the last line says why. --unit: with the unit suite, as a build for an archive runs it.
# --twice: builds once more elsewhere and compares the bytes.
set -euo pipefail
cd "$(dirname "$0")/.."

unit=false twice=false
for option; do
    case $option in
        --unit) unit=true ;;
        --twice) twice=true ;;
        *) echo "usage: tests/package.sh [--unit] [--twice]" >&2; exit 2 ;;
    esac
done

skip() { echo "$1"; exit 77; }

for tool in git dpkg-buildpackage dh lintian debootstrap; do
    command -v $tool >/dev/null || skip "not installed: $tool"
done
[[ $EUID -eq 0 ]] || skip "not root"
# What is mounted is seen here alone, and ends with us.
if [[ -z ${ONECOPY_UNSHARED-} ]]; then
    unshare --mount true || skip "no mount namespaces here"
    ONECOPY_UNSHARED=1 exec unshare --mount --propagation private "$0" "$@"
fi

work=$(mktemp -d)
trap 'cd /; umount -R "$work/root" "$work/written" 2>/dev/null || true; rm -rf "$work"' EXIT
root=$work/root
spool=/var/lib/onecopy

fail() { echo "$1"; exit 1; }
same() { [[ $2 == "$3" ]] || fail "$1: '$2', not '$3'"; }
inside() { chroot "$root" env PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 "$@"; }

if [[ -d /usr/lib/ccache ]] && ! $twice; then
    export PATH=/usr/lib/ccache:$PATH
    CCACHE_DIR=$(ccache --get-config cache_dir)  # the package's build has another home
    export CCACHE_DIR
fi

# Builds in a folder; what is said is shown where it fails.
build() {
    local folder=$1 version flags='nocheck noautodbgsym' without=-g  # what only debuggers read costs much of the time
    version=$(git show HEAD:debian/changelog | sed -n '1s/.*(\(.*\)).*/\1/p')
    if $unit; then flags='' without=''; fi
    mkdir -p "$folder/onecopy-$version"
    git archive HEAD | tar -x -C "$folder/onecopy-$version"
    (cd "$folder/onecopy-$version" && DEB_BUILD_OPTIONS="$flags parallel=$(nproc)" DEB_BUILD_PROFILES=${flags%% *} DEB_CXXFLAGS_STRIP=$without \
        dpkg-buildpackage -us -uc -b) >"$folder/log" 2>&1 || { tail -n 60 "$folder/log"; fail "the package is not built"; }
}

clean_root() {
    local codename mirror components
    codename=$(. /etc/os-release && echo "${VERSION_CODENAME-}")
    base=build-programs/root-$codename
    [[ -e $base/etc/os-release ]] && return
    mirror=$(apt-get indextargets --format '$(REPO_URI)' "Created-By: Packages" "Codename: $codename" | head -n 1)
    components=$(apt-get indextargets --format '$(COMPONENT)' "Created-By: Packages" "Codename: $codename" | sort -u | paste -sd ,)
    mkdir -p build-programs
    rm -rf "$base.new"
    if debootstrap --variant=minbase --include=systemd,systemd-sysv --components="$components" "$codename" "$base.new" "$mirror" \
        >"$work/debootstrap.log" 2>&1; then
        mv "$base.new" "$base"
    else
        rm -rf "$base.new"
        echo "no debootstrap of $codename from $mirror ($(tail -n 1 "$work/debootstrap.log")): above this machine's own root"
        base=/
    fi
}

# The clean root, with what is written to it elsewhere.
mount_root() {
    mkdir -p "$root" "$work/written"
    mount -t tmpfs written "$work/written"
    mkdir "$work/written/upper" "$work/written/work"
    mount -t overlay root -o "lowerdir=$(realpath "$base"),upperdir=$work/written/upper,workdir=$work/written/work" "$root"
    mount -t proc proc "$root/proc"
    mount --bind /dev "$root/dev"
    mount -t tmpfs run "$root/run"
    cp -L /etc/resolv.conf "$root/etc/resolv.conf"
    # Downloads are kept for the next run.
    mkdir -p build-programs/archives/partial
    mount --bind build-programs/archives "$root/var/cache/apt/archives"
    echo 'Binary::apt::APT::Keep-Downloaded-Packages "true";' >"$root/etc/apt/apt.conf.d/99onecopy"
    cp "$work"/first/*.deb "$root/opt/"
}

apt() { inside apt-get "$@" >"$work/apt.log" 2>&1 || { cat "$work/apt.log"; fail "apt does not $1 it"; }; }
install_package() { apt install -y --no-install-recommends "/opt/$deb"; }
remove_package() { apt "$1" -y onecopy; }

first_install() {
    inside apt-get update -q >"$work/apt.log" 2>&1 || true  # without a network, what was fetched before will do
    install_package
}

look_at_files() {
    local file
    same "modes" "$(inside stat -c '%a %U %G %n' /etc/onecopy /etc/onecopy/onecopyd.yaml $spool)" \
        "750 root onecopy /etc/onecopy
644 root root /etc/onecopy/onecopyd.yaml
700 onecopy onecopy $spool"
    same "the user" "$(inside getent passwd onecopy | cut -d: -f6,7)" "$spool:/usr/sbin/nologin"
    same "conffiles" "$(inside dpkg-query -W -f '${Conffiles}' onecopy | awk '{print $1}')" "/etc/onecopy/onecopyd.yaml"
    same "the service" "$(systemctl --root="$root" is-enabled onecopyd.service)" enabled
    same "the socket" "$(systemctl --root="$root" is-enabled onecopyd.socket || true)" disabled
    for file in man7/onecopy.7.gz man8/onecopyd.8.gz man5/onecopyd.yaml.5.gz man1/onecopyctl.1.gz; do
        inside dpkg-query -L onecopy | grep -qx "/usr/share/man/$file" || fail "not there: $file"
    done
    for file in $(cd conf && ls ./*.yaml ./*.json); do
        inside dpkg-query -L onecopy | grep -qx "/usr/share/doc/onecopy/examples/${file#./}" || fail "no example: $file"
    done
}

run_programs() {
    inside onecopyd --check-config
    [[ $(inside onecopyd --version | head -n 1) == "onecopyd $(sed -n "s/^  version: '\(.*\)',/\1/p" meson.build)" ]] || fail "another version"
    [[ $(inside dpkg-query -W -f '${Version}' onecopy) == "$(sed -n "s/^  version: '\(.*\)',/\1/p" meson.build)"* ]] || fail "debian/changelog has another version"
    inside onecopyctl --help >/dev/null
}

nothing_is_left() {
    local left
    left=$(inside find / -xdev -name '*onecop*' -not -path "/opt/*" -not -path '/var/cache/*' -not -path '/etc/apt/apt.conf.d/*')
    same "left after a purge" "$left" ""
}

mail_is_kept() {
    inside install -d -o onecopy -m 700 $spool
    inside touch $spool/ledger.db  # onecopyd does not run: nobody knows what is in it
    remove_package remove
    remove_package purge
    grep -q "is kept" "$work/apt.log" || fail "nobody is told that mail is kept"
    inside test -e $spool/ledger.db || fail "mail was purged"
    inside rm -r $spool
}

build "$work/first"
deb=$(cd "$work/first" && ls onecopy_*.deb)
lintian --fail-on error,warning --tag-display-limit 0 "$work"/first/*.changes
$unit && grep -A 3 '^Ok:' "$work/first/log"
if $twice; then
    build "$work/second/elsewhere"
    (cd "$work/first" && sha256sum ./*.deb) | (cd "$work/second/elsewhere" && sha256sum -c)
fi
clean_root
mount_root
first_install
look_at_files
run_programs
remove_package remove
inside test -e /etc/onecopy/onecopyd.yaml || fail "a removal takes the configuration"
remove_package purge
nothing_is_left
install_package
mail_is_kept
install_package
status=0
python3 tests/boot.py "$root" "/opt/$deb" || status=$?
[[ $status -eq 0 || $status -eq 77 ]] || exit $status
remove_package purge
nothing_is_left
[[ $status -ne 77 ]] || skip "built, installed and removed, but not run: systemd does not boot here"
