#!/bin/bash
# Builds the Dockerfile without a Docker engine or an image registry, and shows that the result runs as
# a container does: any uid, read-only root, secret from a file, health check, clean end on SIGTERM.
#
# The base images are made here, with debootstrap from the mirror apt uses, under their own names. The
# machine's CA bundle and pip settings are mounted while the build runs and are in no layer of the result.
set -euo pipefail

cd "$(dirname "$0")/.."
cache=deploy/.image
image=localhost/keybearer:latest
ca_bundle=/etc/ssl/certs/ca-certificates.crt
export BUILDAH_ISOLATION=chroot

say() { printf 'image: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# A store of its own: nothing of the user's images is touched, and one rm undoes everything.
# The plain driver works on any file system; named in the environment it would be ignored beside --root.
store() { buildah --storage-driver vfs --root "$PWD/$cache/storage" --runroot "$PWD/$cache/run" "$@"; }

drop_store() {
    if [ -d "$cache/storage" ]; then
        store rm --all >/dev/null 2>&1 || true
    fi
    rm -rf "$cache/storage" "$cache/run"
}

scratch=
finish() {
    status=$?
    trap - EXIT
    if [ "$status" -ne 0 ]; then
        drop_store || true
        say "failed (status $status)"
    else
        store rm --all >/dev/null 2>&1 || true
    fi
    [ -z "$scratch" ] || rm -rf "$scratch"
    exit "$status"
}

install_tools() {
    local -A package=([buildah]=buildah [debootstrap]=debootstrap [unshare]=util-linux [ip]=iproute2)
    local tool missing=()
    for tool in "${!package[@]}"; do
        command -v "$tool" >/dev/null || missing+=("${package[$tool]}")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    say "installing ${missing[*]}"
    { apt-get update -qq && apt-get install -qq -y --no-install-recommends "${missing[@]}"; } >/dev/null ||
        die "apt could not install: ${missing[*]}"
}

# The value of an ARG of the Dockerfile: the versions are written once, there.
docker_arg() {
    sed -n "s/^ARG $1=//p" Dockerfile | head -n 1 | grep . || die "the Dockerfile has no ARG $1"
}

# The first Debian mirror apt is set to (deb822 or one-line form).
apt_mirror() {
    { awk '$1 == "URIs:" { print $2 }' /etc/apt/sources.list.d/*.sources
      awk '$1 == "deb" { for (i = 2; i <= NF; i++) if ($i ~ /^https?:/) { print $i; break } }' \
          /etc/apt/sources.list /etc/apt/sources.list.d/*.list
    } 2>/dev/null | sort -u | grep -m 1 '/debian/*$' || true
}

# A root tree like an official image's: Debian's minimal base and the packages, kept as an archive.
make_base_archive() {
    local archive=$1 release=$2 python=$3 packages=$4 root=$scratch/base mirror
    mirror=$(apt_mirror)
    [ -n "$mirror" ] || die "no Debian mirror in /etc/apt"
    say "making $archive with debootstrap (once)"
    debootstrap --variant=minbase --include="$packages" "$release" "$root" "$mirror" \
        >"$scratch/debootstrap.log" 2>&1 || {
        tail -n 5 "$scratch/debootstrap.log" >&2
        die "debootstrap failed"
    }
    [ -x "$root/usr/bin/python$python" ] || die "$release has no Python $python: change the ARGs of the Dockerfile"
    # The mirror is this machine's business.
    rm -rf "$root"/etc/apt/sources.list "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
    ln -sf /usr/bin/python3 "$root/usr/local/bin/python"
    tar --numeric-owner -C "$root" -cf "$archive.part" .
    mv "$archive.part" "$archive"
    rm -rf "$root"
}

# Puts the stand-in of an official image into the store, under its name.
provide_base() {
    local name=$1 archive=$cache/${1/:/-}.tar container
    [ -s "$archive" ] || make_base_archive "$archive" "${@:2}"
    container=$(store from scratch)
    store add --quiet "$container" "$archive" / >/dev/null
    store config --cmd python3 --env PATH=/usr/local/bin:/usr/bin:/bin "$container"
    store commit --quiet "$container" "localhost/$name" >/dev/null
    store rm "$container" >/dev/null
}

# pip's index settings on this machine; folders are left out, for the build does not see them.
pip_settings() {
    echo '[global]'
    echo "cert = $ca_bundle"
    { python3 -m pip config list 2>/dev/null || true; } |
        sed -nE "s/^(global|install|:env:)\.(index-url|extra-index-url|trusted-host|timeout|default-timeout)='(.*)'$/\2 = \3/p" |
        grep -v 'file:' || true
}

build() {
    pip_settings >"$scratch/pip.conf"
    store bud --quiet --format docker --pull-never --tag "$image" \
        --volume "$ca_bundle:$ca_bundle:ro" --volume "$scratch/pip.conf:/etc/pip.conf:ro" \
        . >"$scratch/build.log" 2>&1 || {
        tail -n 30 "$scratch/build.log" >&2
        die "the build failed"
    }
}

check() {
    local container root
    store inspect --type image "$image" >"$scratch/image.json"
    container=$(store from --pull-never "$image")
    root=$(store mount "$container")
    [ ! -e "$root/etc/pip.conf" ] || die "pip settings of this machine are in the image"
    # Own mounts, processes and network: nothing of the check outlives it, and port 8484 may be in use outside.
    unshare --mount --pid --net --fork --kill-child --propagation private \
        python3 deploy/check_image.py "$root" "$scratch/image.json" || die "the image's check failed"
    say "$(du -sm "$root" | cut -f 1) MB in all, $(du -sm "$root/opt/keybearer" | cut -f 1) MB on top of the base"
}

main() {
    [ "$(id -u)" -eq 0 ] || die "must be root (chroot, mounts)"
    [ -r "$ca_bundle" ] || die "no CA bundle at $ca_bundle"
    local release python slim=python3,python3-venv,ca-certificates
    release=$(docker_arg DEBIAN_RELEASE)
    python=$(docker_arg PYTHON_VERSION)
    mkdir -p "$cache"
    scratch=$(mktemp -d)
    trap finish EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    install_tools
    drop_store
    provide_base "python:$python-slim-$release" "$release" "$python" "$slim"
    provide_base "python:$python-$release" "$release" "$python" "$slim,gcc,libc6-dev,python3-dev"
    say "building"
    build
    say "checking"
    check
    say "built and checked: $image (buildah --root $cache/storage --storage-driver vfs images)"
}

main "$@"
