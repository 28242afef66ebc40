# A gateway in another emu: $a is its address, $b that of the node behind it, $c
# a key that both have, $d an algorithm that the gateway asks for, $e the key of
# another signer.
p='why is the sky blue'
fn ask {llama9/ask -m $1 -p 'seed 1' -p 'n_predict 10' $p}
succeeds 'mount of the node' {mount -A $b /n/node}
x="{ask /n/node}
isnt 'an answer' $x ''
succeeds 'mount -C' {mount -C $d -k $c $a /n/gate1}
is 'the same through it' "{ask /n/gate1} $x
succeeds 'node -C' {llama9/node -C $d -k $c -m /n/gate2 mount $a}
is 'the same through that' "{ask /n/gate2} $x
fails 'without the algorithm' {mount -C none -k $c $a /n/gate3}
fails 'node without it' {llama9/node -k $c -m /n/gate3 mount $a}
fails 'without authentication' {mount -A $a /n/gate3}
fails 'without a key' {mount -C $d -k $c^.nothing $a /n/gate3}
succeeds 'a key of another signer' {ftest -f $e}
fails 'is none' {mount -C $d -k $e $a /n/gate3}
is 'others go on' "{ask /n/gate1} $x
