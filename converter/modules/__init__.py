"""torch modules -> NIR: a module is run, what it does is recorded, and its steps are rolled up into a graph.

expressions   what a tensor holds, of one sample at one step, as an interned expression
values        tensors with a known layout: which axis is the batch, which is time
tracing       runs the module and follows its tensors
functions/    what torch's functions do to them, one file for each kind
forms         what a stateful module is: found in frameworks/, one file for each framework
layouts       where the module has its time: one step a call, all at once, or a loop of its own
rolling       the steps of an unrolled run as one; refuses a step that differs
emitting      the rolled expressions as NIR nodes
comparing     every population against the module's own spikes
importing     all of this in order
"""
