# Usage: sh -euc "$(cat proof.sh)" spread|issue   with certificates on standard input, one a line, ~ for its line ends
#
# The first one is the certificate in question; all of them are trusted now. Prints one line for each file that is
# behind: after `spread` every file of trusted authorities has the certificate, after `issue` every certificate is by it.
read -r wanted
others=$(cat)
authority=$(mktemp)
trap 'rm -f "$authority"' EXIT
printf '%s\n' "$wanted" | tr '~' '\n' > "$authority"

has() { tr '\n' '~' < "$1" | grep -qF -e "$2"; }

ours() {
    printf '%s\n' "$others" | { while read -r other; do ! has "$1" "$other" || exit 0; done; exit 1; }
}

if [ "$0" = spread ]; then
    for file in /etc/ssl/certs/ca-certificates.crt /etc/koin/tls/ca.pem /etc/koin/tls/*/ca.pem; do
        if [ -e "$file" ] && ! has "$file" "$wanted"; then echo "$file lacks the next authority"; fi
    done
    for file in /etc/docker/certs.d/*/*.crt; do
        if [ -e "$file" ] && ours "$file" && ! has "$file" "$wanted"; then echo "$file lacks the next authority"; fi
    done
else
    for file in /etc/koin/tls/*/cert.pem; do
        if [ -e "$file" ] && ! openssl verify -no-CApath -no-CAstore -CAfile "$authority" "$file" > /dev/null 2>&1; then
            echo "$file is not by the new authority"
        fi
    done
fi
