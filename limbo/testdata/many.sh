# Two nodes: $a and $b are their addresses, $d and $e their processes, $c is the
# address of the coordinator in Go over both, $f a file.
p='why is the sky blue'
fn ask {llama9/ask -s 'be kind' -p 'seed 1' -p 'ignore_eos on' -p 'n_predict 40' $* $p}
succeeds 'mount of a' {llama9/node -m /n/a mount $a}
succeeds 'mount of b' {llama9/node -m /n/b mount $b}
succeeds 'mount of the coordinator' {llama9/node -m /n/c mount $c}
x="{ask -m /n/a}
isnt 'an answer' $x ''
is 'the same from b' "{ask -m /n/b} $x
is 'from the coordinator' "{ask -m /n/c} $x
is 'from both' "{ask -m /n/a -m /n/b} $x
has 'a bad parameter' 'temprature: unknown' "{ask -m /n/a -m /n/b -p 'temprature 1' >[2=1]}
has 'one that is not there' 'no llama9' "{ask -m /n/nothing -m /n/nowhere >[2=1]}
fails 'to keep a session of both' {ask -k -m /n/a -m /n/b}

# the one that has the turn is killed
w="{ask -p 'n_predict 400' -p 'shift on' -m /n/b}
ask -p 'n_predict 400' -p 'shift on' -m /n/a -m /n/b > $f &
pid=$apid
while {~ "{cat $f} ''} {sleep 0}
if {grep -s ' busy'^'=1 ' /n/a/status} {os kill -9 $d} {os kill -9 $e}
while {ftest -e /prog/$pid} {sleep 1}
is 'a node is killed, and the answer goes on' "{cat $f} $w
is 'the one that is left' "{ask -m /n/a -m /n/b >[2] $f} $x
has 'the one that is lost' 'no llama9 is mounted there' "{cat $f}
is 'the coordinator' "{ask -m /n/c} $x
