# Installs what a stage needs. Sourced by ./dev, which provides say, die, root and python.
# Everything here is a no-op when all is there, and then needs no network.

packages_file=$root/tests/support/packages.txt

as_root() {
  if [[ $EUID == 0 ]]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    die "installing packages needs root: run this as root, or install sudo"
  fi
}

# The packages of the given sections that are not installed.
missing_packages() {
  local section='' name condition
  while read -r name condition; do
    case $name in
      '' | '#'*) continue ;;
      '['*']') section=${name//[\[\]]/} && continue ;;
    esac
    [[ " $* " == *" $section "* ]] || continue
    if [[ $condition == unless=* ]] && command -v "${condition#unless=}" >/dev/null; then continue; fi
    [[ $(dpkg-query -W -f '${db:Status-Abbrev}' "$name" 2>/dev/null || true) == ii* ]] || echo "$name"
  done <"$packages_file" | sort -u
}

apt_lists_are_fresh() {
  [[ -n $(find /var/lib/apt/lists -maxdepth 1 -name '*_Packages*' -mtime -1 -print -quit 2>/dev/null) ]]
}

apt() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -y -q -o Dpkg::Use-Pty=0 \
    -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3 "$@"
}

# install_packages SECTION…: brings what is missing of these sections.
install_packages() {
  command -v apt-get >/dev/null || die "packages come from apt-get: run this on Debian 12"
  local missing
  mapfile -t missing < <(missing_packages "$@")
  ((${#missing[@]})) || return 0
  say "installing ${#missing[@]} packages: ${missing[*]}"

  # Packages that bring a service would start it, or fail trying in a container.
  # The tests start their own; whoever ran one before keeps it.
  local policy=/usr/sbin/policy-rc.d made_policy=no services=() service
  for service in mariadb haproxy prometheus; do
    [[ " ${missing[*]} " == *" $service"* ]] && services+=("$service")
  done
  if [[ ! -e $policy ]]; then
    printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null
    as_root chmod +x $policy
    made_policy=yes
  fi

  local ok=yes updated=no
  apt_lists_are_fresh || { apt update && updated=yes; } || true
  if ! apt install --no-install-recommends "${missing[@]}"; then
    # The lists may name versions that the mirror no longer has.
    [[ $updated == no ]] && apt update && apt install --no-install-recommends "${missing[@]}" || ok=no
  fi

  [[ $made_policy == no ]] || as_root rm -f $policy
  [[ $ok == yes ]] || die "apt-get could not install: ${missing[*]}"
  if command -v systemctl >/dev/null; then
    for service in "${services[@]}"; do
      as_root systemctl disable --quiet "$service" 2>/dev/null || true
    done
  fi
}

# What the drivers' tests need built or fetched (npm's packages): into the cache,
# so that no test has to.
install_driver_programs() {
  install_packages drivers
  $python -B tests/clients/programs.py >/dev/null || die "could not make the drivers' programs, see above"
}

# Where the private MySQL lives: outside the tree, so that a new clone finds it.
mysql_root=${SLUICE_MYSQL_ROOT:-${XDG_CACHE_HOME:-$HOME/.cache}/sluice/mysql-root}

debian_mirror() {
  apt-get indextargets --format '$(SITE)' 'Identifier: Packages' 'Origin: Debian' \
    "Codename: $(. /etc/os-release && echo "${VERSION_CODENAME:-bookworm}")" | head -n 1
}

# Debian 12 has no MySQL server; sid has. It gets a root directory of its own,
# made next to its place and renamed into it, so that half a root is never used.
install_mysql_root() {
  [[ -x $mysql_root/usr/sbin/mysqld ]] && return 0
  install_packages mysql
  local mirror proxy new=$mysql_root.new
  mkdir -p "$(dirname "$mysql_root")"
  exec 9>"$mysql_root.lock"
  flock 9
  if [[ ! -x $mysql_root/usr/sbin/mysqld ]]; then
    mirror=$(debian_mirror)
    [[ -n $mirror ]] || { apt update && mirror=$(debian_mirror); }
    [[ -n $mirror ]] || die "no Debian mirror among apt's sources: add one, then run ./dev setup"
    proxy=$(apt-config dump Acquire::http::Proxy 2>/dev/null | sed -n 's/.*"\(.*\)";/\1/p' | head -n 1)
    say "bringing MySQL from Debian sid into $mysql_root (a minute or two)"
    as_root rm -rf "$new"
    if ! as_root env ${proxy:+http_proxy="$proxy"} debootstrap --variant=minbase \
      --include=mysql-server-core,mysql-client-core \
      --keyring=/usr/share/keyrings/debian-archive-keyring.gpg sid "$new" "$mirror" 9>&-; then
      as_root tail -n 20 "$new/debootstrap/debootstrap.log" >&2 || true
      die "debootstrap failed; its log is in $new/debootstrap"
    fi
    [[ -x $new/usr/sbin/mysqld ]] || die "sid's mysql-server-core brought no mysqld"
    as_root rm -rf "$new/var/cache/apt/archives" "$new/var/lib/apt/lists"
    mv "$new" "$mysql_root"
  fi
  exec 9>&-
}
