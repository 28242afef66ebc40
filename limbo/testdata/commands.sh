# The commands: $a is the address, $b a directory for files, $c an address to
# listen at, $d a key.
n=/n/llama
succeeds mount {llama9/node mount $a}
has list 'state=ready' "{llama9/node list}
has 'its model' 'model.*state=loaded' "{llama9/node list}
x="{llama9/ask -p 'seed 1' -p 'n_predict 10' why is the sky blue}
isnt ask $x ''
is 'ask by a pipe' "{echo why is the sky blue | llama9/ask -p 'seed 1' -p 'n_predict 10'} $x
isnt 'a system message' "{llama9/ask -s 'be kind' -p 'seed 1' -p 'n_predict 10' why is the sky blue} ''
cat $b/emoji | llama9/ask -k -p 'n_predict 1' > /dev/null >[2] $b/session
s=`{sed 's,.*/,,' $b/session}
succeeds 'characters of four bytes' {cmp $n/infer/$s/prompt $b/emoji1}
fails 'an empty prompt' {llama9/ask < /dev/null}
fails 'a bad parameter' {llama9/ask -p 'temprature 1' why}
fails 'a bad flag' {llama9/ask -z why}

# who is killed wants no more
llama9/ask -p 'ignore_eos on' -p 'n_predict 100000' -p 'shift on' why > /dev/null &
pid=$apid
while {! grep -s 'state=decode' $n/infer/last/status} {sleep 1}
succeeds 'kill of ask' {kill $pid}
while {grep -s 'state=decode' $n/infer/last/status} {sleep 1}
has 'cancels its turn' 'state=cancelled' "{cat $n/infer/last/status}

y="{echo why is the sky blue | llama9/chat -p 'seed 1' -p 'n_predict 10'}
is chat $y $x
y="{{echo why is the sky blue; echo /usage; echo /bogus; echo /set temprature 1; echo and you; echo /usage; echo /reset} |
	llama9/chat -p 'n_predict 5' >[2=1]}
has 'usage' 'prompt .* tokens 5' $y
has 'a command that is none' '/bogus: not /reset' $y
has 'a parameter that is none' 'temprature: unknown' $y

succeeds drain {llama9/node drain}
has 'is seen' 'state=draining' "{llama9/node list}
fails 'ask while drained' {llama9/ask why}
succeeds undrain {llama9/node undrain}
succeeds load {llama9/node load more fake:more n_ctx'='512}
has 'is listed' 'model more' "{llama9/node list}
succeeds unload {llama9/node unload more}
fails 'unload of nothing' {llama9/node unload nothing}
fails 'a verb that is none' {llama9/node bogus}
fails 'where nothing is mounted' {llama9/node -m /n/nothing list}

y="{{echo hello; echo again} | llama9/isolate}
has isolate '...' $y
fails 'an isolate of nothing' {llama9/isolate /dis/nothing.dis}

succeeds gateway {llama9/gateway -k $d $c}
succeeds 'mount with a key' {mount -k $d $c /n/gate}
is 'ask through it' "{llama9/ask -m /n/gate -p 'seed 1' -p 'n_predict 10' why is the sky blue} $x
succeeds 'node with a key' {llama9/node -k $d -m /n/gate2 mount $c}
is 'ask through that' "{llama9/ask -m /n/gate2 -p 'seed 1' -p 'n_predict 10' why is the sky blue} $x
fails 'node without a key' {llama9/node -m /n/gate3 mount $c}
fails 'mount with a key, of a node' {mount -k $d $a /n/gate4}
succeeds unmount {llama9/node unmount}
