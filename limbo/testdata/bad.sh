# Servers that are none: $a speaks HTTP, $b never answers, $c is closed.
has 'another protocol' 'mount ' "{llama9/node mount $a >[2=1]}
has 'a server that hangs' 'no answer in 10000 ms' "{llama9/node mount $b >[2=1]}
has 'none' refused "{llama9/node mount $c >[2=1]}
has 'a mount point that is not there' 'does not exist' "{llama9/node -m /nothing mount $d >[2=1]}
has 'nothing mounted' 'does not exist' "{llama9/ask -m /n/nothing why >[2=1]}
