// Business rule "TMF656 bridge: hint": says to the bridge that a ticket changed; the bridge then reads the ticket.
// Table: the one in sources.NAME.table. When: async. Insert, Update and Delete: checked. Condition: as narrow as
// sources.NAME.query. It needs the outbound REST message "TMF656 bridge" with the HTTP method "hint" (README.md).
// A hint that is lost loses nothing: the next poll finds the change. Nothing of the ticket but its sys_id is sent.
(function executeRule(current, previous /*null when async*/) {
    var names = {
        'insert': 'ServiceProblemCreateEvent',
        'update': 'ServiceProblemAttributeValueChangeEvent',
        'delete': 'ServiceProblemDeleteEvent'
    };
    var changed = new GlideDateTime(String(current.sys_updated_on));
    var body = {
        eventId: String(current.sys_id) + '-' + String(current.sys_mod_count) + '-' + String(current.operation()),
        eventType: names[String(current.operation())] || names['update'],
        eventTime: String(changed.getValue()).replace(' ', 'T') + 'Z',
        event: { serviceProblem: { id: String(current.sys_id) } }
    };
    try {
        var message = new sn_ws.RESTMessageV2('TMF656 bridge', 'hint');
        message.setRequestHeader('Content-Type', 'application/json');
        message.setRequestBody(JSON.stringify(body));
        var answer = message.execute();
        if (answer.getStatusCode() >= 300) {
            gs.warn('TMF656 bridge: the hint for {0} was answered {1}', current.number, answer.getStatusCode());
        }
    } catch (error) {
        gs.warn('TMF656 bridge: the hint for {0} was not sent: {1}', current.number, error.message || error);
    }
})(current, previous);
