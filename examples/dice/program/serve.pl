#!/usr/bin/perl
# Dice: a provider's own model in Perl, one process, one connection at a time: each answer closes its connection.
#   serve.pl --listen-fd FD --instance ID --grant JSON
use strict;
use warnings;
use Socket;

my %given = @ARGV;
open(my $listener, '+<&=', $given{'--listen-fd'}) or die "no listener: $!";
$SIG{PIPE} = 'IGNORE';

while (accept(my $peer, $listener)) {
    setsockopt($peer, SOL_SOCKET, SO_RCVTIMEO, pack('l!l!', 2, 0));
    my ($method, $path, $length) = head($peer);
    next unless defined $path;
    my $body = '';
    read($peer, $body, $length > 65536 ? 65536 : $length) if $length;
    answer($peer, reply($method, $path, $body));
}

sub head {
    my ($peer) = @_;
    my ($method, $path) = (<$peer> // '') =~ m{^(GET|POST) (/\S*) HTTP/1\.1\r\n$} or return;
    my $length = 0;
    while (defined(my $line = <$peer>)) {
        last if $line eq "\r\n";
        $length = $1 if $line =~ /^content-length:\s*(\d{1,9})\s*$/i;
    }
    return ($method, $path, $length);
}

sub reply {
    my ($method, $path, $body) = @_;
    return (200, '{"ok":true}', 0) if "$method $path" eq 'GET /health' or $path eq '/configure';
    my ($rolls) = $body =~ /"rolls"\s*:\s*(\d{1,3})\b/;
    return (400, '{"title":"POST /roll with the params {\"rolls\": 1 to 999}"}', 0) unless $path eq '/roll' and $rolls;
    return (200, '{"rolls":[' . join(',', map { 1 + int rand 6 } 1 .. $rolls) . ']}', $rolls);
}

sub answer {
    my ($peer, $status, $body, $quantity) = @_;
    my $size = length $body;
    print {$peer} "HTTP/1.1 $status -\r\nContent-Type: application/json\r\nContent-Length: $size\r\n",
        "S4M-Quantity: $quantity\r\nConnection: close\r\n\r\n$body";
    close $peer;
}
