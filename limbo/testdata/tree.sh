# The tree from the shell: $a is the address, $b a file of 20 KiB.
n=/n/llama
succeeds mount {mount -A $a $n}
has 'the root' infer "{ls $n}
echo why is the sky blue > $n/infer/new
x="{cat $n/infer/last/out}
isnt 'an answer' $x ''
is 'the same again' "{cat $n/infer/last/out} $x
succeeds 'a parameter' {echo temperature 0 > $n/infer/last/ctl}
has 'is set' '^temperature 0' "{cat $n/infer/last/ctl}
succeeds 'appended' {echo top_k 7 >> $n/infer/last/ctl}
has 'is set too' '^top_k 7' "{cat $n/infer/last/ctl}
fails 'a parameter that is none' {echo temprature 1 > $n/infer/last/ctl}
has 'is in status' temprature "{cat $n/infer/last/status}
succeeds 'another prompt' {echo and at night > $n/infer/last/prompt}
isnt 'another answer' "{cat $n/infer/last/out} $x
is 'the prompt' "{cat $n/infer/last/prompt} 'and at night'
fails 'a redirection to nothing' {sh -c 'echo x > /n/llama/nothing'}
fails 'mkdir' {mkdir $n/infer/nothing}

# a prompt of three messages
succeeds 'a long prompt' {cat $b > $n/infer/last/prompt}
succeeds 'is whole' {cmp $n/infer/last/prompt $b}
isnt 'its answer' "{cat $n/infer/last/out} ''

# one descriptor for prompt and session number
id=`{cat $n/infer/new}
succeeds 'a session by number' {echo hello > $n/infer/$id/prompt}
isnt 'its answer too' "{cat $n/infer/$id/out} ''
succeeds 'rm of a session' {rm -r $n/infer/$id}
fails 'is gone' {cat $n/infer/$id/status}

# a blocked cat can be killed, and others go on
cat $n/event &
pid=$apid
succeeds 'others go on' {cat $n/status > /dev/null}
succeeds 'kill' {kill $pid}
while {ftest -e /prog/$pid} {sleep 1}
succeeds 'and after it' {cat $n/status > /dev/null}

# two at once
llama9/ask -p 'seed 1' why | {
	y="{llama9/ask -p 'seed 1' why}
	is 'two procs on a mount' "{cat} $y
}
succeeds 'cd' {cd $n/infer; has 'dot dot' 'state' "{cat ../status}; cd /}
succeeds 'unmount' {unmount $n}
