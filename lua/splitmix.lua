-- splitmix: the finaliser of splitmix64 (Steele, Lea and Flood 2014): every bit of an integer
-- reaches every bit of the result.
return function(x)
  x = (x ~ x >> 30) * 0xBF58476D1CE4E5B9
  x = (x ~ x >> 27) * 0x94D049BB133111EB
  return x ~ x >> 31
end
