# Verifies the message on stdin with Mail::DKIM; the only DNS record it sees is the argument. Prints the result per signature.
use strict;
use warnings;
use Mail::DKIM::Verifier;

package OneRecord;
sub new { return bless { text => $_[1] }, $_[0] }
sub query { return $_[0]->send($_[1]) }
sub errorstring { return "NXDOMAIN" }
sub send {
    my ($self, $name) = @_;
    my $packet = Net::DNS::Packet->new($name, "TXT", "IN");
    my @strings = $self->{text} =~ /(.{1,255})/g;
    $packet->push(answer => Net::DNS::RR->new(name => $name, type => "TXT", ttl => 60, txtdata => \@strings));
    return $packet;
}

package main;
Mail::DKIM::DNS::resolver(OneRecord->new($ARGV[0]));
my $dkim = Mail::DKIM::Verifier->new();
binmode STDIN;
{ local $/; $dkim->PRINT(<STDIN>); }
$dkim->CLOSE;
print $_->algorithm, ": ", $_->result, "\n" for $dkim->signatures;
