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
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    if ! sudo -n true 2>/dev/null; then
      say "these Debian packages are missing; install them and try again: sudo apt-get install ${missing[*]}"
      exit 1
    fi
    as_root=(sudo -n)
  fi
  say "installing ${missing[*]}"
  "${as_root[@]}" apt-get -qq update >&2
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get -qq install --yes --no-install-recommends "${missing[@]}" >&2
}
