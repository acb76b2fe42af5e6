(sleep 0 & echo started; wait)
x=$(sleep 0 & echo bg); echo $x
