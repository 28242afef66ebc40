# A server killed under a mount: $a is its address, $b its process, $c the
# address of another.
n=/n/llama
succeeds mount {mount -A $a $n}
llama9/ask -p 'seed 1' -p 'ignore_eos on' -p 'n_predict 100000' -p 'shift on' why >[2] /dev/null | {
	dd -bs 1 -count 1 >[2] /dev/null > /dev/null
	os kill -9 $b
	cat > /dev/null
}
isnt 'an ask that loses it fails' $status ''
fails 'what is dead' {cat $n/status}
fails 'ask' {llama9/ask why}
succeeds 'unmount' {unmount $n}
succeeds 'mount of another' {llama9/node mount $c}
succeeds 'ask again' {llama9/ask why > /dev/null}
