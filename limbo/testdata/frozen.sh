# A server that freezes under a mount: $a is its address, $b its process.
n=/n/llama
succeeds mount {mount -A $a $n}
y="{llama9/ask -p 'ignore_eos on' -p 'n_predict 100000' -p 'shift on' why >[2=1] | {
	dd -bs 1 -count 1 >[2] /dev/null > /dev/null
	os kill -STOP $b
	tail -1
}}
has 'ask gives up' 'status: no answer in 10000 ms' $y
has 'and another' 'no answer in 10000 ms' "{llama9/ask why >[2=1]}
succeeds 'it goes on' {os kill -CONT $b}
succeeds 'and so does the mount' {cat $n/status > /dev/null}
succeeds 'and ask' {llama9/ask why > /dev/null}
