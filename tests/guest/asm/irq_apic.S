# The local APIC in xAPIC mode.
#include "irq_apic_body.inc.S"
