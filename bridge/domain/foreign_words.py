"""What ticket systems in other languages than English write for statuses and priorities, in lower case without blanks.

German, French, Spanish, Portuguese, Italian, Dutch, Swedish, Norwegian, Danish, Polish, Czech, Russian, Turkish,
Arabic, Chinese, Japanese and Korean. A word that means different statuses in two of them is left out. Pure.
"""
# ruff: noqa: RUF001 -- Turkish has a dotless i

from typing import Final
from unicodedata import combining, normalize

STATUS_WORDS: Final = {
    "submitted": """
        neu erfasst angelegt gemeldet nouveau nouvelle créé enregistré nuevo nueva registrado creado novo nova
        nuovo nuova nieuw geregistreerd ny nytt registrerad nowy nowe zgłoszony zgłoszone nový nové новый новая
        новое зарегистрирован зарегистрировано yeni جديد 新建 新建工单 已提交 新規 신규 접수
    """,
    "acknowledged": """
        offen angenommen bestätigt zugewiesen zugeteilt eröffnet ouvert ouverte prisencompte accepté assigné
        affecté abierto abierta aceptado asignado asignada reconocido confirmado aberto aberta reconhecido
        atribuído designado aceito aperto aperta assegnato presoincarico accettato geaccepteerd toegewezen
        bevestigd öppen öppet åpen åpent åben åbent tilldelad tildelt otwarty otwarte przyjęty przypisany
        przypisane otevřený otevřeno přiřazeno открыт открыта открыто принят принято назначен назначено
        подтвержден подтверждён açık atandı مفتوح 打开 已打开 已受理 已确认 已分配 已派单 オープン 受付済
        受付済み 열림 할당됨
    """,
    "inProgress": """
        inbearbeitung bearbeitung inarbeit laufend wiedereröffnet encours encoursdetraitement entraitement
        encurso enprogreso enproceso emandamento emprogresso emcurso emtratamento ematendimento emanálise
        incorso inlavorazione inbehandeling inuitvoering bezig pågående pågår underbehandling underarbeid
        arbetepågår igangværende wtoku wtrakcie wrealizacji vřešení probíhá вработе выполняется обрабатывается
        вобработке işlemde devamediyor işleniyor قيدالتنفيذ قيدالمعالجة 处理中 處理中 进行中 進行中 正在处理
        対応中 処理中 作業中 調査中 진행중 처리중
    """,
    "held": """
        angehalten zurückgestellt pausiert ruhend suspendu suspendue enpause enespera detenido suspendido
        pausado retenido emespera suspenso sospeso inpausa gepauzeerd opgeschort aangehouden pausad parkerad
        wstrzymany wstrzymane zawieszony zawieszone pozastaveno приостановлен приостановлена приостановлено
        отложен отложено askıda askıyaalındı معلق 挂起 已挂起 暂停 已暂停 保留 保留中 보류
    """,
    "pending": """
        wartend wartet ausstehend enattente pendiente pendente aguardando inattesa wachtend inafwachting väntar
        väntande venter avventer oczekujący oczekujące oczekuje čeká čekající ожидает ожидание вожидании
        beklemede قيدالانتظار 等待 等待中 待定 待機中 回答待ち 대기 대기중
    """,
    "resolved": """
        gelöst behoben entstört résolu résolue corrigé rétabli resuelto resuelta solucionado solucionada
        restablecido resolvido resolvida risolto risolta ripristinato opgelost hersteld verholpen löst løst
        åtgärdad rozwiązany rozwiązane vyřešeno vyřešený решен решён решена решено устранен устранён устранено
        восстановлено çözüldü giderildi تمالحل محلول 已解决 已解決 已恢复 已修复 解決 解決済 解決済み 復旧
        復旧済 復旧済み 해결 해결됨
    """,
    "closed": """
        geschlossen abgeschlossen erledigt beendet fermé fermée clos clôturé clôturée terminé terminée cerrado
        cerrada finalizado finalizada completado terminado fechado fechada encerrado encerrada concluído
        concluída chiuso chiusa completato concluso gesloten afgesloten voltooid afgerond stängd stängt
        avslutad lukket afsluttet zamknięty zamknięte zakończony zakończone uzavřeno uzavřený dokončeno закрыт
        закрыта закрыто завершен завершён завершено kapalı kapatıldı kapandı tamamlandı مغلق 关闭 已关闭 已關閉
        已完成 已归档 完了 終了 クローズ クローズ済み 종료 완료 닫힘
    """,
    "cancelled": """
        storniert abgebrochen zurückgezogen annulé annulée abandonné cancelado cancelada anulado anulada
        annullato annullata geannuleerd ingetrokken avbruten avbrutt annulleret kansellert anulowany anulowane
        zrušeno отменен отменён отменено отозвано iptal iptaledildi ملغى ملغي 取消 已取消 已撤销 キャンセル
        취소 취소됨
    """,
    "rejected": """
        abgelehnt zurückgewiesen rejeté rejetée refusé refusée rechazado rechazada denegado rejeitado rejeitada
        recusado rifiutato respinto afgewezen geweigerd avvisad avvist afvist odrzucony odrzucone zamítnuto
        отклонен отклонён отклонено reddedildi مرفوض 拒绝 已拒绝 驳回 已驳回 却下 거부 거절 반려
    """,
}

PRIORITY_WORDS: Final = {
    1: """
        kritisch dringend sofort critique urgente urgent crítica crítico critica critico kritiek spoed kritisk
        krytyczny pilny pilne kritická критический критическая критичный срочный срочно kritik acil عاجل حرج
        紧急 緊急 긴급
    """,
    2: """
        hoch haute haut élevée élevé majeure majeur alta alto hoog hög høj høy wysoki wysoka vysoká высокий
        высокая высокое yüksek عالي 高 높음
    """,
    3: """
        mittel moyenne moyen normale media medio média médio gemiddeld middel medel średni średnia střední
        средний средняя средне обычный orta متوسط 中 보통
    """,
    4: """
        niedrig gering basse bas faible mineure mineur baja bajo baixa baixo bassa basso laag låg lav niski
        niska nízká низкий низкая низкое düşük منخفض 低 낮음
    """,
}


def spelt(words: str) -> list[str]:
    """Return the words of a text, and those of Latin letters without their accents, too.

    >>> spelt("élevé 高")
    ['élevé', 'eleve', '高']
    """
    found: list[str] = []
    for word in words.split():
        found.append(word)
        plain = "".join(one for one in normalize("NFD", word) if not combining(one))
        if plain.isascii() and plain != word and plain not in _OTHER_WORDS:
            found.append(plain)
    return found


_OTHER_WORDS: Final = frozenset({"lost", "nova"})
"""English words that are foreign ones without their accents."""
