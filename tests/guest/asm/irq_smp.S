# Four CPUs with xAPICs.
#include "irq_smp_body.inc.S"
